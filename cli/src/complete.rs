//! Completion on a command line: the shell asks the command, which knows the documents of the folder it is called in.

use crate::inputs::{DOCUMENTS, DocumentSource};
use crate::stores::StoreArgs;
use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, EnvCompleter, Shells};
use serde_json::Value;

/// The variable by which the script of a shell asks.
const VARIABLE: &str = "ABX_COMPLETE";

/// Answers a shell and ends the program, if it was a shell that called.
pub(crate) fn answer(command: fn() -> Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// The script for a shell, which asks `abx` for each completion.
pub(crate) fn script(shell: &dyn EnvCompleter) -> std::io::Result<String> {
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "abx", "abx", "abx", &mut script)?;
    if shell.is("zsh") {
        // In a folder of functions the whole file is the function, which completes nothing at its first call without this.
        script.extend_from_slice(b"[[ ${funcstack[1]} != _abx ]] || _clap_dynamic_completer_abx\n");
    }
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// The shells that there is a script for.
pub(crate) const fn shells() -> Shells<'static> {
    Shells::builtins()
}

/// The keys of experiments.
pub(crate) fn experiments() -> ArgValueCandidates {
    ArgValueCandidates::new(|| keys(&["experiment"]))
}

/// The keys of experiments and flags.
pub(crate) fn experiments_and_flags() -> ArgValueCandidates {
    ArgValueCandidates::new(|| keys(&["experiment", "flag"]))
}

/// The keys of flags.
#[cfg(feature = "aws")]
pub(crate) fn flags() -> ArgValueCandidates {
    ArgValueCandidates::new(|| keys(&["flag"]))
}

/// The keys of documents of some kinds, with their descriptions. Who completes is not told what is wrong in a file.
fn keys(kinds: &[&str]) -> Vec<CompletionCandidate> {
    let folder = [DocumentSource::Path(DOCUMENTS.into())];
    let Ok(corpus) = DocumentSource::read(&folder, &StoreArgs::file(None)) else { return Vec::new() };
    let checked = corpus.compile();
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let candidate = |value: &Value| {
        let key = kinds.iter().find_map(|kind| text(value, kind))?;
        let line = text(value, "description").and_then(|it| it.lines().next().map(str::to_owned));
        Some(CompletionCandidate::new(key).help(line.map(Into::into)))
    };
    checked.values.iter().filter_map(|(_, value)| candidate(value)).collect()
}
