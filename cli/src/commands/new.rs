//! `abx new`: one more experiment, flag, segment or layer, which `--yes` writes.

use crate::ask;
use crate::command::Execute;
use crate::edits::{colored_diff, command_over, compile_with};
use crate::error::Error;
use crate::inputs::{DOCUMENTS, DocumentSource};
use crate::render::style::{DIM, GOOD, TITLE};
use crate::render::wrap::wrapped_around_code;
use crate::report::{FormatArg, Report};
use crate::scaffold::{is_taken, schema_line};
use crate::source::{
    Checked, Corpus, FilePlace, NewItem, append_item, create_file, find, parse, plain_value, replace_file,
    written_text,
};
use abx_core::document::Key;
use abx_core::finding::Path as ValuePath;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use similar::TextDiff;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

const EXPERIMENT: &str = include_str!("../../templates/new/experiment.yaml");
const FLAG: &str = include_str!("../../templates/new/flag.yaml");
const CATALOG: &str = include_str!("../../templates/new/catalog.yaml");

/// Add an experiment, a flag, a segment or a layer; without --yes only show it
///
/// Experiments and flags get a file of their own, segments and layers are added to the catalog document, whose comments stay. On a
/// terminal, the command asks for what no option gives, and before it writes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  abx new experiment checkout_button
  abx new experiment checkout_button --variants control,green --event order_placed --yes
  abx new flag dark_mode --owner web@example.com --yes
  abx new segment eu_visitors --attribute country --values AT,DE,FR --yes
  abx new layer checkout_page --yes")]
pub struct Args {
    /// What to add
    #[arg(value_enum)]
    kind: Kind,
    /// Its key
    #[arg(value_parser = key)]
    key: String,
    /// Documents: files or folders; a new file is made in the first folder
    #[arg(default_value = DOCUMENTS, value_name = "SOURCE")]
    sources: Vec<DocumentSource>,
    /// The variants of an experiment [default: control,treatment] or flag [default: on,off]
    #[arg(long, value_name = "KEY", value_delimiter = ',', num_args = 1, value_parser = key)]
    variants: Vec<String>,
    /// The attribute that an experiment, flag or layer hashes [default: `user_id`]
    #[arg(long, value_name = "ATTRIBUTE", value_parser = filled)]
    unit: Option<String>,
    /// The owner of an experiment or flag: a person or a team
    #[arg(long, value_name = "NAME", value_parser = filled)]
    owner: Option<String>,
    /// The event that the primary metric of an experiment counts [default: converted]
    #[arg(long, value_name = "NAME", value_parser = filled)]
    event: Option<String>,
    /// The attribute that a segment asks for [default: country]
    #[arg(long, value_name = "ATTRIBUTE", value_parser = filled)]
    attribute: Option<String>,
    /// The values of the attribute that belong to a segment [default: DE]
    #[arg(long, value_name = "VALUE", value_delimiter = ',', num_args = 1, value_parser = filled)]
    values: Vec<String>,
    /// Write the file, with the defaults of what no option gives
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    format: FormatArg,
}

/// The kind of a new document, or of a new part of the catalog document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// An experiment, in a file of its own
    Experiment,
    /// A flag, in a file of its own
    Flag,
    /// A segment, in the catalog document
    Segment,
    /// A layer, in the catalog document
    Layer,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Experiment => "experiment",
            Self::Flag => "flag",
            Self::Segment => "segment",
            Self::Layer => "layer",
        })
    }
}

/// The rule of the compiler.
fn key(text: &str) -> Result<String, String> {
    if Key::is_valid(text) {
        return Ok(text.to_owned());
    }
    Err("a key has 1 to 64 of a-z, 0-9, `.`, `_` and `-`, and starts with a letter or digit".to_owned())
}

fn filled(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("write a name".to_owned()) } else { Ok(text.to_owned()) }
}

/// A new document or part of one, and whether it is written.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct NewReport {
    /// The document, for example `experiment checkout`.
    document: String,
    /// The file that it stands in.
    file: String,
    /// The lines of the file that are new, as a unified diff.
    text: String,
    /// True if the file was written.
    written: bool,
    /// What to do before it decides anything.
    remark: String,
    /// The command to run next; `null` where nothing was written.
    next: Option<String>,
    /// The lines were shown before the question.
    #[serde(skip)]
    is_shown: bool,
}

/// What is asked, or its defaults.
struct Answers {
    variants: Vec<String>,
    unit: String,
    owner: Option<String>,
    event: String,
    attribute: String,
    values: Vec<String>,
}

/// A file as it is, if it is, and as it shall be.
struct Plan {
    path: PathBuf,
    before: Option<String>,
    after: String,
}

impl Execute for Args {
    type Report = NewReport;

    /// Plans the document, proves that it compiles with all others, and writes it if asked to.
    fn execute(&self) -> Result<NewReport, Error> {
        self.check_options()?;
        let paths = DocumentSource::paths(&self.sources, "written to")?;
        if paths.iter().any(|path| path == Path::new("-")) {
            return Err(Error::caller("standard input cannot be written to").help("name a file or folder"));
        }
        let checked = Corpus::load(&with_documents(&paths)?)?.compile();
        if let Some(FilePlace { file, line, .. }) = self.existing(&checked) {
            let message = format!("the {} `{}` exists: {file}:{line}", self.kind, self.key);
            return Err(Error::caller(message).help("take another key, or edit it there"));
        }
        let can_ask = !self.yes && ask::is_possible(self.format);
        let answers = self.answers(can_ask)?;
        let plan = match self.kind {
            Kind::Experiment | Kind::Flag => self.document(&paths, &answers)?,
            Kind::Segment | Kind::Layer => self.part(&paths, &checked, &answers)?,
        };
        let name = plan.path.display().to_string().replace('\\', "/");
        compile_with(&checked, &[(name.clone(), plan.after.clone())])?;
        let before = plan.before.as_deref().unwrap_or_default();
        let text = TextDiff::from_lines(before, &plan.after).unified_diff().context_radius(2).to_string();
        let mut report = NewReport {
            document: format!("{} {}", self.kind, self.key),
            file: name,
            text,
            written: false,
            remark: self.remark(),
            next: None,
            is_shown: false,
        };
        if self.yes || can_ask && is_confirmed(&mut report)? {
            match &plan.before {
                Some(before) => replace_file(&plan.path, before, &plan.after)?,
                None => create_file(&plan.path, &plan.after)?,
            }
            report.written = true;
            report.next = Some(command_over("abx validate", self.named()));
        }
        Ok(report)
    }

    fn print(&self, report: &NewReport) -> String {
        self.format.print(report)
    }
}

fn is_confirmed(report: &mut NewReport) -> Result<bool, Error> {
    ask::show(&report.plan());
    report.is_shown = true;
    ask::yes(&format!("Write {}?", report.file))
}

/// The paths that have documents: a folder may be empty, and the one of every command may be missing.
fn with_documents(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in paths {
        let is_new = path == Path::new(DOCUMENTS) && !is_taken(path);
        match find(std::slice::from_ref(path)) {
            Ok(_) => found.push(path.clone()),
            Err(error) if path.is_dir() && error.exit() == crate::exit::CALLER || is_new => drop(error),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

impl Args {
    /// The sources, unless they are those of every command.
    fn named(&self) -> &[DocumentSource] {
        let is_default = self.sources == [DocumentSource::Path(PathBuf::from(DOCUMENTS))];
        if is_default { &[] } else { &self.sources }
    }

    /// Refuses an option that the kind has no use for.
    fn check_options(&self) -> Result<(), Error> {
        use Kind::{Experiment, Flag, Layer, Segment};
        let options: [(&str, bool, &[Kind]); 6] = [
            ("--variants", !self.variants.is_empty(), &[Experiment, Flag]),
            ("--unit", self.unit.is_some(), &[Experiment, Flag, Layer]),
            ("--owner", self.owner.is_some(), &[Experiment, Flag]),
            ("--event", self.event.is_some(), &[Experiment]),
            ("--attribute", self.attribute.is_some(), &[Segment]),
            ("--values", !self.values.is_empty(), &[Segment]),
        ];
        let wrong = options.iter().find(|(_, is_given, kinds)| *is_given && !kinds.contains(&self.kind));
        wrong.map_or(Ok(()), |(option, _, kinds)| {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("`abx new {kind}`")).collect();
            let message = format!("a {} has no {option}", self.kind);
            Err(Error::caller(message).help(format!("{option} is an option of {}", kinds.join(", "))))
        })
    }

    /// The place of what has the key already.
    fn existing(&self, checked: &Checked) -> Option<FilePlace> {
        let places = checked.places();
        let list = match self.kind {
            Kind::Experiment | Kind::Flag => {
                let kind = self.kind.to_string();
                return places.of_name(&format!("{kind} {}", self.key), &ValuePath::of(kind));
            }
            Kind::Segment => "segments",
            Kind::Layer => "layers",
        };
        let pointer = format!("/catalog/{list}");
        let mut parts = checked.values.iter().filter_map(|(_, value)| value.pointer(&pointer)?.as_array());
        let is_it = |part: &Value| part.get("key").and_then(Value::as_str) == Some(&self.key);
        let index = parts.find_map(|parts| parts.iter().position(is_it))?;
        places.of_name("catalog", &ValuePath::of("catalog").field(list).index(index).field("key"))
    }

    /// What the options give, a person answers, or nobody said.
    fn answers(&self, can_ask: bool) -> Result<Answers, Error> {
        let ask = |given: Option<&String>, kinds: &[Kind], question: &str, default: &str| match given {
            Some(given) => Ok(given.clone()),
            None if can_ask && kinds.contains(&self.kind) => ask::text(question, default),
            None => Ok(default.to_owned()),
        };
        let list = |given: &[String], kinds: &[Kind], question: &str, default: &str| {
            if !given.is_empty() {
                return Ok(given.to_vec());
            }
            let text = ask(None, kinds, question, default)?;
            Ok::<_, Error>(
                text.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect(),
            )
        };
        let default = if self.kind == Kind::Flag { "on,off" } else { "control,treatment" };
        let variants: Vec<String> =
            list(&self.variants, &[Kind::Experiment, Kind::Flag], "Variants, with commas", default)?;
        for variant in &variants {
            key(variant).map_err(|rule| Error::caller(format!("{variant:?} is not a key: {rule}")))?;
        }
        let hashed = [Kind::Experiment, Kind::Flag, Kind::Layer];
        let owned = [Kind::Experiment, Kind::Flag];
        let event = [Kind::Experiment];
        let segment = [Kind::Segment];
        let unit = ask(self.unit.as_ref(), &hashed, "Attribute that is hashed", "user_id")?;
        let owner = ask(self.owner.as_ref(), &owned, "Owner, a person or a team (may be empty)", "")?;
        Ok(Answers {
            variants,
            unit,
            owner: Some(owner).filter(|it| !it.is_empty()),
            event: ask(self.event.as_ref(), &event, "Event that means success", "converted")?,
            attribute: ask(self.attribute.as_ref(), &segment, "Attribute", "country")?,
            values: list(&self.values, &segment, "Values, with commas", "DE")?,
        })
    }

    /// A file of its own: beside the others, under the key, or under the kind and the key if that is taken.
    fn document(&self, paths: &[PathBuf], answers: &Answers) -> Result<Plan, Error> {
        let folder = folder_of(paths);
        let names = [format!("{}.yaml", self.key), format!("{}-{}.yaml", self.kind, self.key)];
        let path = names.iter().map(|name| folder.join(name)).find(|path| !is_taken(path));
        let path = path.ok_or_else(|| {
            let [first, second] = &names;
            Error::caller(format!("{} has the files {first} and {second} already", folder.display()))
                .help("move one of them, or take another key")
        })?;
        let text = if self.kind == Kind::Experiment { self.experiment(answers) } else { self.flag(answers) };
        Ok(Plan { path, before: None, after: schema_line(&folder) + &text })
    }

    fn experiment(&self, answers: &Answers) -> String {
        let line = |variant: &String| format!("  - {{key: {}}}\n", written_text(variant));
        let variants: Vec<String> = answers.variants.iter().map(line).collect();
        self.filled(EXPERIMENT, answers, variants.concat())
    }

    fn flag(&self, answers: &Answers) -> String {
        let variants = match &answers.variants[..] {
            [on, off] if on == "on" && off == "off" => {
                "rollout_percentage: 10  # of all units get `on`, once it is enabled\n".to_owned()
            }
            variants => {
                let shares = equal_shares(variants.len());
                let line = |(key, share): (&String, String)| {
                    format!("  - {{key: {0}, value: {0}, allocation: {share}}}\n", written_text(key))
                };
                let list: String = variants.iter().zip(shares).map(line).collect();
                let default = variants.first().map(|it| written_text(it)).unwrap_or_default();
                format!("variants:\n{list}default_variant: {default}\n")
            }
        };
        self.filled(FLAG, answers, variants)
    }

    /// A template with what was asked. What is filled in is not looked into: it may look like a part of a template.
    fn filled(&self, template: &str, answers: &Answers, variants: String) -> String {
        let owner = answers.owner.as_ref().map(|it| format!("owner: {}\n", written_text(it)));
        let values = [
            ("KEY>", written_text(&self.key)),
            ("OWNER>\n", owner.unwrap_or_default()),
            ("UNIT>", written_text(&answers.unit)),
            ("VARIANTS>\n", variants),
            ("METRIC>", written_text(&metric_key(&answers.event))),
            ("EVENT>", written_text(&answers.event)),
        ];
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('<') {
            text.push_str(before);
            let known = values.iter().find_map(|(name, value)| Some((after.strip_prefix(name)?, value)));
            let (value, behind) = known.map_or(("<", after), |(behind, value)| (value, behind));
            text.push_str(value);
            rest = behind;
        }
        text + rest
    }

    /// A part of the catalog document, which is made if there is none.
    fn part(&self, paths: &[PathBuf], checked: &Checked, answers: &Answers) -> Result<Plan, Error> {
        let (list, item) = self.item(answers);
        let found = checked.values.iter().find(|(_, value)| value.get("catalog").is_some());
        let Some(file) = found.and_then(|(file, _)| checked.files.get(*file)) else {
            let folder = folder_of(paths);
            let path = folder.join("catalog.yaml");
            if is_taken(&path) {
                let message =
                    format!("{} exists, and has no catalog document that can be read", path.display());
                return Err(Error::caller(message).help("see `abx validate`, or rename the file"));
            }
            let before = schema_line(&folder) + CATALOG;
            let after = append_item(&before, 0, &["catalog", list], &item);
            return Ok(Plan {
                path,
                before: None,
                after: after.ok_or_else(|| by_hand("catalog.yaml", list, &item))?,
            });
        };
        let document = parse(&file.text).documents.iter().position(|(it, _)| it.get("catalog").is_some());
        let after = document.and_then(|index| append_item(&file.text, index, &["catalog", list], &item));
        let after = after.ok_or_else(|| by_hand(&file.name, list, &item))?;
        Ok(Plan { path: PathBuf::from(&file.name), before: Some(file.text.clone()), after })
    }

    /// The list of the catalog document, and what to append to it.
    fn item(&self, answers: &Answers) -> (&'static str, NewItem) {
        let key = format!("key: {}", written_text(&self.key));
        if self.kind == Kind::Layer {
            let value = json!({"key": self.key, "unit": answers.unit});
            return (
                "layers",
                NewItem { value, lines: vec![key, format!("unit: {}", written_text(&answers.unit))] },
            );
        }
        let attribute = &answers.attribute;
        let values: Vec<Value> = answers.values.iter().map(|it| plain_value(it)).collect();
        let condition = json!({"attribute": attribute, "operator": "in", "value": values});
        let written: Vec<String> =
            values.iter().zip(&answers.values).map(|(value, text)| scalar(value, text)).collect();
        let condition_text = format!(
            "  - {{attribute: {}, operator: in, value: [{}]}}",
            written_text(attribute),
            written.join(", ")
        );
        let value = json!({"key": self.key, "when": [condition]});
        ("segments", NewItem { value, lines: vec![key, "when:".to_owned(), condition_text] })
    }

    fn remark(&self) -> String {
        let key = &self.key;
        match self.kind {
            Kind::Experiment => "it is a draft: `status: active` starts it".to_owned(),
            Kind::Flag => "it is disabled: `enabled: true` starts it".to_owned(),
            Kind::Segment => {
                format!("nothing uses it yet: write `- segment: {key}` below `targeting_rules` or `when`")
            }
            Kind::Layer => format!(
                "no experiment is in it yet: write `layer: {key}` there, and here a slot, for example `slots: [{{experiment: KEY, ranges: [[0, 500000]]}}]`"
            ),
        }
    }
}

/// The folder for a new file: the first that is named, or that of the first file.
fn folder_of(paths: &[PathBuf]) -> PathBuf {
    let folder = paths.iter().find(|path| path.is_dir() || !is_taken(path));
    let beside = || paths.first().and_then(|path| path.parent()).map(Path::to_owned);
    folder.cloned().or_else(beside).unwrap_or_default()
}

/// So many shares that sum to 100 %, which are equal to a hundredth of a percent.
fn equal_shares(count: usize) -> Vec<String> {
    let each = 10_000_usize.checked_div(count).unwrap_or_default();
    let written = |share: usize| {
        let text = format!("{}.{:02}", share / 100, share % 100);
        text.trim_end_matches('0').trim_end_matches('.').to_owned() + "%"
    };
    let last = 10_000 - each * count.saturating_sub(1);
    (1..=count).map(|index| written(if index == count { last } else { each })).collect()
}

/// A key for the metric that counts an event.
fn metric_key(event: &str) -> String {
    let kept = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c) { c } else { '_' }
    };
    let key: String = event.chars().map(kept).take(64).collect();
    let key = key.trim_start_matches(['.', '_', '-']);
    if key.is_empty() { "converted".to_owned() } else { key.to_owned() }
}

/// A value as it was typed, or as the string that it is.
fn scalar(value: &Value, typed: &str) -> String {
    if value.is_string() { written_text(typed) } else { typed.to_owned() }
}

fn by_hand(file: &str, list: &str, item: &NewItem) -> Error {
    let lines: String = item.lines.iter().enumerate().fold(String::new(), |mut text, (index, line)| {
        let _ = write!(text, "\n    {}{line}", if index == 0 { "- " } else { "  " });
        text
    });
    Error::caller(format!("{file}: the layout of `catalog` cannot be edited safely"))
        .help(format!("nothing was written; write this by hand:\n  {list}:{lines}"))
}

impl NewReport {
    fn plan(&self) -> String {
        let Self { document, file, .. } = self;
        let mut text = format!("{TITLE}{document}{TITLE:#} {DIM}({file}){DIM:#}\n");
        text.push_str(&colored_diff(&self.text));
        text.push_str(&wrapped_around_code("  ", &self.remark));
        text
    }
}

impl Report for NewReport {
    const KIND: &'static str = "new";

    fn human(&self) -> String {
        let mut text = if self.is_shown { String::new() } else { self.plan() + "\n" };
        let _ = match &self.next {
            Some(next) => writeln!(text, "{GOOD}written{GOOD:#}; next: {next}"),
            None if self.is_shown => writeln!(text, "nothing was written"),
            None => writeln!(text, "nothing was written: add --yes"),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_all_and_keys_are_keys() {
        assert_eq!(equal_shares(2), ["50%", "50%"]);
        assert_eq!(equal_shares(3), ["33.33%", "33.33%", "33.34%"]);
        assert_eq!((equal_shares(1), equal_shares(0)), (vec!["100%".to_owned()], Vec::new()));
        for event in ["signed_up", "Order \"placed\"", "_x", "Übung", "--", &"e".repeat(80)] {
            assert!(Key::is_valid(&metric_key(event)), "{event}");
        }
    }
}
