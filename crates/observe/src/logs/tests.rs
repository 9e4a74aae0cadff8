use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing::subscriber::with_default;

use super::{Format, LogOptions, Logs, build};

/// An output that can be read afterwards.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)
}

fn options(format: Format) -> LogOptions {
    LogOptions { filter: "debug".to_owned(), format, terminal: false, ansi: false }
}

/// What `work` logs.
fn logged(options: &LogOptions, work: impl FnOnce(&Logs)) -> String {
    let memory = Memory::default();
    let (subscriber, logs) = build(options, clock, memory.clone()).unwrap();
    with_default(subscriber, || work(&logs));
    drop(logs);
    String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
}

fn objects(work: impl FnOnce(&Logs)) -> Vec<Value> {
    logged(&options(Format::Json), work).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_is_an_object_with_time_level_target_message_and_fields() {
    let all = objects(
        |_| tracing::warn!(target: "here", n = 7, ok = true, part = 0.5, text = "x", "it {}", "happened"),
    );
    let expected = json!({
        "time": "2023-11-14T22:13:20.123Z", "level": "WARN", "target": "here", "message": "it happened",
        "n": 7, "ok": true, "part": 0.5, "text": "x",
    });
    assert_eq!(all, [expected]);
}

#[test]
fn fields_of_the_spans_around_are_told_and_the_nearest_wins() {
    let all = objects(|_| {
        let outer =
            tracing::info_span!("call", trace_id = "t1", span_id = "s1", late = tracing::field::Empty);
        outer.record("late", 3);
        let _outer = outer.entered();
        let _inner = tracing::info_span!("step", span_id = "s2").entered();
        tracing::info!("hello");
    });
    assert_eq!(
        (&all[0]["trace_id"], &all[0]["span_id"], &all[0]["late"]),
        (&json!("t1"), &json!("s2"), &json!(3))
    );
}

#[test]
fn no_text_can_forge_a_line_or_a_field() {
    let evil = "a\nb\r\u{1b}[2J\u{2028}\u{202e}\",\"level\":\"ERROR\u{0}\u{9b}\\";
    let text = logged(&options(Format::Json), |_| tracing::info!(evil, "{evil}"));
    assert_eq!(text.lines().count(), 1);
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&object["evil"], &object["message"], &object["level"]),
        (&json!(evil), &json!(evil), &json!("INFO"))
    );
    let text = text.trim_end_matches('\n');
    assert!(!text.contains(crate::printable::is_hidden), "{text}");

    let text = logged(&options(Format::Human), |_| tracing::info!(evil, "{evil}"));
    assert!(!text.trim_end_matches('\n').contains(crate::printable::is_hidden), "{text}");
}

#[test]
fn a_field_named_like_a_part_of_the_line_steps_aside() {
    let all = objects(|_| tracing::info!(level = "high", time = 5, "x"));
    assert_eq!(
        (&all[0]["level_"], &all[0]["time_"], &all[0]["level"]),
        (&json!("high"), &json!(5), &json!("INFO"))
    );
}

#[test]
fn a_long_value_is_cut_at_one_kibibyte() {
    let long = "é".repeat(5000);
    let all = objects(|_| tracing::info!(long, quotes = "\"".repeat(5000), "x"));
    let length = |name: &str| all[0][name].as_str().unwrap().len();
    assert_eq!((length("long"), length("quotes")), (1024 + "…".len(), 512 + "…".len()));
}

#[test]
fn a_long_line_is_cut_at_eight_kibibytes_and_says_so() {
    let long = "x".repeat(2000);
    for format in [Format::Json, Format::Human] {
        let text = logged(&options(format), |_| {
            tracing::info!(
                a = long,
                b = long,
                c = long,
                d = long,
                e = long,
                f = long,
                g = long,
                h = long,
                i = long,
                "x"
            );
        });
        assert!(text.len() <= 8192 && text.len() > 7000, "{}", text.len());
        assert!(text.trim_end().ends_with(if format == Format::Json {
            "\"truncated\":true}"
        } else {
            "…"
        }));
    }
}

#[test]
fn numbers_json_cannot_write_are_strings() {
    let all = objects(|_| tracing::info!(nan = f64::NAN, big = u64::MAX, huge = u128::MAX, "x"));
    assert_eq!((&all[0]["nan"], &all[0]["big"]), (&json!("NaN"), &json!(u64::MAX)));
}

#[test]
fn people_get_a_short_line_with_colours_only_where_wanted() {
    let work = |_: &Logs| tracing::warn!(server = "git", why = "exit code 1", "restarting");
    let plain = logged(&options(Format::Human), work);
    assert_eq!(plain, "22:13:20.123  WARN restarting server=git why=\"exit code 1\"\n");
    let coloured = logged(&LogOptions { ansi: true, ..options(Format::Human) }, work);
    assert!(coloured.contains("\x1b[33m WARN\x1b[0m restarting"), "{coloured:?}");
}

#[test]
fn the_form_follows_the_terminal_unless_told() {
    let work = |_: &Logs| tracing::info!("x");
    assert!(logged(&options(Format::Auto), work).starts_with('{'));
    assert!(!logged(&LogOptions { terminal: true, ..options(Format::Auto) }, work).starts_with('{'));
    assert!(logged(&LogOptions { terminal: true, ..options(Format::Json) }, work).starts_with('{'));
}

#[test]
fn the_form_can_be_changed_while_lines_are_written() {
    let text = logged(&options(Format::Json), |logs| {
        tracing::info!("one");
        logs.set_format(Format::Human);
        tracing::info!("two");
        logs.set_format(Format::Auto);
        tracing::info!("three");
    });
    let forms: Vec<_> = text.lines().map(|line| line.starts_with('{')).collect();
    assert_eq!(forms, [true, false, true], "{text}");
}

#[test]
fn the_filter_can_be_changed_and_a_broken_one_changes_nothing() {
    let all = objects(|logs| {
        tracing::debug!("one");
        logs.set_filter("warn").unwrap();
        tracing::info!("two");
        tracing::warn!("three");
        assert!(logs.set_filter("no=such=filter=!").is_err());
        tracing::info!("four");
        logs.set_filter("info").unwrap();
        tracing::info!("five");
    });
    let messages: Vec<_> = all.iter().map(|object| object["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["one", "three", "five"]);
}

#[test]
fn a_filter_that_cannot_be_understood_is_refused_at_the_start() {
    let broken = LogOptions { filter: "no=such=filter=!".to_owned(), ..LogOptions::default() };
    assert!(build(&broken, clock, Memory::default()).is_err());
}

/// An output nobody reads until the gate is opened.
struct Blocked {
    gate: Receiver<()>,
    open: bool,
    memory: Memory,
}

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.open {
            let _ = self.gate.recv();
            self.open = true;
        }
        self.memory.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_nobody_reads_holds_nobody_up_and_the_loss_is_told() {
    let memory = Memory::default();
    let (open, gate): (Sender<()>, _) = channel();
    let output = Blocked { gate, open: false, memory: memory.clone() };
    let (subscriber, logs) = build(&options(Format::Json), clock, output).unwrap();
    with_default(subscriber, || (0..10_000).for_each(|n| tracing::info!(n, "x")));
    open.send(()).unwrap();
    // The queue is full now; the end can be queued once the writer has taken a line.
    drop(open);
    let told = || String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    while !told().contains("log lines were dropped") {
        std::thread::yield_now();
    }
    drop(logs);
    let lost: u64 = told()
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).unwrap()["lines"].as_u64())
        .unwrap();
    assert_eq!(told().lines().count() as u64, 10_000 - lost + 1);
}
