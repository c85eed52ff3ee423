//! `abx explain-code`: the explanation of a finding's code.

use crate::command::Execute;
use crate::error::Error;
use crate::report::{FormatArg, Report};
use abx_core::finding::{Code, Severity, did_you_mean};
use serde::Serialize;
use std::fmt::Write as _;

/// Explain the code of a finding, or list all codes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  abx explain-code allocation-sum\n  abx explain-code")]
pub struct Args {
    /// The code, as `abx validate` shows it; all codes if none is given
    code: Option<String>,
    #[command(flatten)]
    format: FormatArg,
}

/// The codes that were asked for.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ExplainCodeReport {
    codes: Vec<CodeExplanation>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct CodeExplanation {
    code: Code,
    severity: Severity,
    summary: &'static str,
    explanation: &'static str,
}

impl Execute for Args {
    type Report = ExplainCodeReport;

    /// Looks the code up.
    fn execute(&self) -> Result<ExplainCodeReport, Error> {
        let explain = |code: &Code| CodeExplanation {
            code: *code,
            severity: code.severity(),
            summary: code.summary(),
            explanation: code.explanation(),
        };
        let codes = match &self.code {
            None => Code::ALL.iter().map(explain).collect(),
            Some(text) => match Code::of_word(text) {
                Some(code) => vec![explain(&code)],
                None => {
                    let near = did_you_mean(text, Code::ALL.iter().map(|code| code.as_str()));
                    let help = near.map_or("`abx explain-code` lists all codes".to_owned(), |near| {
                        format!("did you mean `{near}`?")
                    });
                    return Err(Error::caller(format!("no finding has the code {text:?}")).help(help));
                }
            },
        };
        Ok(ExplainCodeReport { codes })
    }

    fn print(&self, report: &ExplainCodeReport) -> String {
        self.format.print(report)
    }
}

impl Report for ExplainCodeReport {
    const KIND: &'static str = "explain-code";

    fn human(&self) -> String {
        let mut text = String::new();
        match self.codes.as_slice() {
            [only] => {
                let _ = writeln!(
                    text,
                    "{} ({})\n\n{}\n\n{}",
                    only.code, only.severity, only.summary, only.explanation
                );
            }
            all => {
                for it in all {
                    let _ = writeln!(text, "{:<22} {:<8} {}", it.code, it.severity, it.summary);
                }
            }
        }
        text
    }
}
