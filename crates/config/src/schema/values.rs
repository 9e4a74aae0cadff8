//! Kinds of values that JSON Schema has no name for.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! value {
    ($name:ident, $doc:literal, $schema:tt) => {
        #[doc = $doc]
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

value!(Duration, "A duration.", {
    "description": "A duration: a number with a unit (`500ms`, `30s`, `2m`, `1h`, `1h30m`, `1d`), or a number of seconds.",
    "anyOf": [
        { "type": "string", "examples": ["500ms", "30s", "2m", "1h"] },
        { "type": "number", "exclusiveMinimum": 0 }
    ]
});

value!(Wait, "A duration, or none.", {
    "description": "A duration (`500ms`, `30s`, `2m`), or 0 or `none`.",
    "anyOf": [{ "type": "string", "examples": ["5s", "none"] }, { "type": "number", "minimum": 0 }]
});

value!(Size, "A number of bytes.", {
    "description": "A size: a number of bytes, or one with a unit (`512KiB`, `4MiB`, `1GiB`; `KB` and `MB` are decimal).",
    "anyOf": [{ "type": "string", "examples": ["512KiB", "4MiB"] }, { "type": "integer", "minimum": 0 }]
});

value!(Address, "A listening address.", {
    "description": "An IP address and a port (`127.0.0.1:8808`, `[::1]:8808`, `localhost:8808`), or a port on 127.0.0.1.",
    "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0, "maximum": 65535 }]
});

value!(Text, "Text, or a number or boolean taken as it is written.", {
    "description": "Text. `${NAME}`, `${NAME:-default}` and `${file:/path}` are replaced.",
    "type": ["string", "number", "boolean"]
});

value!(Count, "A whole number above zero; text when a variable decides.", {
    "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "\\$\\{" }]
});

value!(Number, "A whole number; text when a variable decides.", {
    "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "\\$\\{" }]
});

value!(Switch, "On or off; text when a variable decides.", {
    "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": "\\$\\{" }]
});
