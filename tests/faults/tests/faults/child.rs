//! Child processes over stdio.

use nix::sys::signal::Signal;
use trunkline_faults::child::Child;
use trunkline_faults::row::{Reaches, Row, Target};

const FAULTY: &str = env!("CARGO_BIN_EXE_faulty-stdio");

fn child(behaviour: &'static str) -> Box<dyn Target> {
    Box::new(Child::new(FAULTY, behaviour))
}

rows! {
    exits_on_start => Row::new("the process ends, and every new one ends at its start", || child("exit-on-start"))
        .sees(&["upstream_unavailable", "outcome_unknown"]).reaches(Reaches::Never)
        .inside("it is started again with growing pauses; calls are told at once, with its exit status and not its words; one that was being written when the process ended may have run");
    exits_mid_call => Row::new("the process ends during the call", || child("exit-mid-call"))
        .sees(&["outcome_unknown"])
        .inside("the call was written, so it is not sent again; the process is started anew");
    exits_mid_answer => Row::new("the process ends within its answer", || child("exit-mid-answer"))
        .sees(&["outcome_unknown"])
        .inside("half a line is no message; the process is started anew");
    killed => Row::new("the process is killed", || Box::new(Child::signalled(FAULTY, Signal::SIGKILL, Signal::SIGCONT)))
        .may_see(&["outcome_unknown", "upstream_unavailable"]).reaches(Reaches::AtMostOnce)
        .inside("a call that was written before is not sent again; later ones wait for the new process");
    stopped => Row::new("the process is stopped (SIGSTOP)", || Box::new(Child::signalled(FAULTY, Signal::SIGSTOP, Signal::SIGCONT)))
        .sees(&["upstream_timeout"]).within_ms(1000).reaches(Reaches::AtMostOnce)
        .inside("the silence deadline ends the call; the process is told that it was given up, and its late answer is dropped");
    hangs => Row::new("the process reads nothing and says nothing", || child("hangs"))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("the silence deadline ends the call; writes to the full pipe wait for nobody else");
    late => Row::new("the answer comes after the deadline", || child("late"))
        .sees(&["upstream_timeout"]).within_ms(1000).back_ms(8000)
        .inside("an answer that nobody waits for is dropped");
    garbage => Row::new("lines that are no messages, then the answer", || child("garbage"))
        .inside("what is no message is skipped");
    invalid_utf8 => Row::new("a message that is no UTF-8, then the answer", || child("invalid-utf8"))
        .inside("what is no message is skipped");
    invalid_utf8_answer => Row::new("an answer that is no UTF-8", || child("invalid-utf8-answer"))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("what is no message is skipped, so nothing was answered");
    endless_line => Row::new("100 MiB without a line's end", || child("endless-line"))
        .sees(&["result_too_large"]).within_ms(2000)
        .inside("reading keeps 1 MiB at most");
    stderr_flood => Row::new("2 MiB on stderr, then the answer", || child("stderr-flood"))
        .within_ms(2000)
        .inside("stderr is read and cut; its last lines are kept for the operator");
    answers_twice => Row::new("the answer twice, the second one different", || child("twice"))
        .inside("the first answer ends the exchange; the second belongs to nobody");
    foreign_ids => Row::new("answers to requests that nobody made, then the answer", || child("foreign"))
        .inside("answers are matched by our own numbers; others are dropped");
    endless_notes => Row::new("log messages without end, and no answer", || child("endless-notes"))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("log messages are no sign of life; a slow reader's backlog is bounded");
    closes_stdout => Row::new("the process closes its output and lives on", || child("closes-stdout"))
        .sees(&["outcome_unknown"]).back_ms(4000)
        .inside("nothing can come any more: the process is ended and started anew");
    forks => Row::new("the process ends, a descendant holds its pipe open", || child("forks"))
        .sees(&["outcome_unknown"])
        .inside("the end of the process counts, not that of the pipe; its whole group is ended");
    forks_away => Row::new("the process ends, a descendant outside of its group holds its pipe open", || child("forks-away"))
        .sees(&["outcome_unknown"])
        .inside("the end of the process counts, not that of the pipe");
    ignores_the_end => Row::new("the process ignores the end of its input and SIGTERM, and hangs", || Box::new(Child::new(FAULTY, "stays").after("trap '' TERM")))
        .sees(&["upstream_timeout"]).within_ms(1000)
        .inside("the silence deadline ends the call; in the end the process is killed");
}
