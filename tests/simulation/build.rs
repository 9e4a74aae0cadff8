//! Makes our `getrandom` the one that is found at run time as well: some libraries look it up by its name.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=getrandom");
    println!("cargo::rerun-if-changed=build.rs");
}
