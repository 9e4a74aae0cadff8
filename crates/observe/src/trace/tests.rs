use std::cell::Cell;
use std::collections::HashSet;

use proptest::prelude::*;

use super::{Random, ThreadRandom, TraceContext};

const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Numbers in order.
struct Counting(Cell<u64>);

impl Random for Counting {
    fn next(&self) -> u64 {
        self.0.replace(self.0.get() + 1)
    }
}

#[test]
fn the_example_of_the_recommendation_is_read_and_written() {
    let context = TraceContext::parse(EXAMPLE).unwrap();
    assert_eq!((context.sampled, context.to_string()), (true, EXAMPLE.to_owned()));
    assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
}

#[test]
fn only_the_lowest_flag_is_known() {
    let with = |flags: &str| TraceContext::parse(&format!("{}{flags}", &EXAMPLE[..53])).unwrap().sampled;
    assert_eq!(["00", "01", "02", "03", "ff"].map(with), [false, true, false, true, true]);
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    let later = EXAMPLE.replacen("00", "01", 1);
    assert_eq!(TraceContext::parse(&later).unwrap().to_string(), EXAMPLE);
    assert!(TraceContext::parse(&format!("{later}-more")).is_some());
    assert!(TraceContext::parse(&format!("{later}more")).is_none());
}

#[test]
fn everything_else_is_refused() {
    let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    for header in [
        "",
        "00",
        &EXAMPLE[..54],
        &format!("{EXAMPLE} "),
        &format!(" {EXAMPLE}"),
        &format!("{EXAMPLE}-more"),
        &format!("ff-{ids}-01"),
        &format!("00-{}-01", ids.to_uppercase()),
        &format!("00_{ids}-01"),
        &format!("0g-{ids}-01"),
        &format!("00-{ids}-0x"),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-1",
    ] {
        assert_eq!(TraceContext::parse(header), None, "{header}");
    }
}

#[test]
fn a_child_keeps_everything_but_its_own_id() {
    let parent = TraceContext::from_headers(EXAMPLE, Some("vendor=1,a@b=2")).unwrap();
    let child = parent.child(&Counting(Cell::new(9)));
    assert_eq!(child.span_id, [0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(TraceContext { span_id: parent.span_id, ..child }, parent);
}

#[test]
fn an_id_is_never_zero() {
    let root = TraceContext::root(false, &Counting(Cell::new(0)));
    assert_ne!(root.trace_id[..8], [0; 8]);
    assert_eq!(TraceContext::parse(&root.to_string()), Some(root));
}

#[test]
fn threads_do_not_repeat_each_other() {
    let numbers = || (0..1000).map(|_| ThreadRandom.next()).collect::<Vec<_>>();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(numbers)).collect();
    let all: HashSet<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(all.len(), 4000);
}

#[test]
fn a_broken_tracestate_is_left_out_and_the_trace_goes_on() {
    let state = |header: &str| TraceContext::from_headers(EXAMPLE, Some(header)).unwrap().tracestate;
    for good in ["a=1", "a=1,b=2", "a=1, ,b=2", "0tenant@sys=x y", "a*/_-=!"] {
        assert_eq!(state(good).as_deref(), Some(good));
    }
    let many = vec!["a=1"; 33].join(",");
    let long = format!("a={}", "x".repeat(257));
    for bad in ["", ",", "a", "A=1", "a=", "a=b=c", "a=\n", "a=é", "1=x", "a@1b=x", "@=1", &many, &long] {
        assert_eq!(state(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) {
        prop_assume!(trace_id != [0; 16] && span_id != [0; 8]);
        let context = TraceContext { trace_id, span_id, sampled, tracestate: None };
        prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
    }

    #[test]
    fn no_header_breaks_the_reader(header in "\\PC{0,80}", state in "\\PC{0,80}") {
        let _ = TraceContext::from_headers(&header, Some(&state));
    }
}
