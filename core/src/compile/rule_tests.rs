//! Rule tests: what they are about, what they expect, and the combinations of a matrix.

mod matrix;

use super::names::{Names, unknown};
use crate::decide::{Catalog, ContextLimits, Reason, equal};
use crate::document::{
    BucketsConfig, CaseConfig, Document, ExpectConfig, ExpectedVariant, TestedKind, TestsConfig,
};
use crate::finding::{Code, Findings, Path, did_you_mean};
use crate::hash::BUCKETS;
use crate::rehearsal::{Buckets, Case, Expect, Suite, TestSubject};
use serde_json::Value;

/// Compiles the tests of all documents; as any document, one with an error is left out.
pub(super) fn compile_all(
    documents: &[Option<Document>],
    catalog: &Catalog,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Suite> {
    let mut suites = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        if let Some(Document::Tests(written)) = document {
            findings.turn_to(index);
            let suite = compile(written, index, catalog, names, findings);
            suites.extend(suite.filter(|_| !findings.has_error(index)));
        }
    }
    suites
}

fn compile(
    written: &TestsConfig,
    document: usize,
    catalog: &Catalog,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Option<Suite> {
    if written.cases.is_empty() && !findings.is_broken("cases") {
        findings.add(Code::MissingField, "", "there is no case").help("add `cases:`, a list");
    }
    let is_experiment = is_about_experiment(written, names, findings)?;
    let mut suite = Suite { document, is_experiment, key: written.tests.clone(), cases: Vec::new() };
    let mut checks = CaseChecks { tested: suite.tested(catalog), is_experiment, findings };
    if checks.tested.is_some_and(TestSubject::asks_the_time) {
        warn_of_now(written, checks.findings);
    }
    for (index, case) in written.cases.iter().enumerate() {
        let path = Path::of("cases").index(index);
        let mut compiled = checks.case(case, &path);
        compiled.at = case.at.or(written.at).map(|it| it.0);
        compiled.exceptions = matrix::exceptions(case, &path, &mut checks);
        suite.cases.push(compiled);
    }
    matrix::check_count(&written.cases, checks.findings);
    Some(suite)
}

/// Returns true if the tests are about an experiment, false for a flag; `None` if the key names neither.
fn is_about_experiment(written: &TestsConfig, names: &Names<'_>, findings: &mut Findings) -> Option<bool> {
    let key = written.tests.as_str();
    let (experiment, flag) = (names.experiments.contains_key(key), names.flags.contains_key(key));
    match (written.kind, experiment, flag) {
        (Some(TestedKind::Experiment), true, _) | (None, true, false) => return Some(true),
        (Some(TestedKind::Flag), _, true) | (None, false, true) => return Some(false),
        (None, true, true) => {
            findings
                .add(Code::MissingField, "tests", format!("both an experiment and a flag are called `{key}`"))
                .help("add `kind: experiment` or `kind: flag`");
        }
        // It may be the key of a document that could not be read.
        _ if names.incomplete => {}
        (kind, ..) => {
            let wanted = |it| kind.is_none_or(|kind| kind == it);
            let experiments = names.experiments.keys().filter(|_| wanted(TestedKind::Experiment));
            let flags = names.flags.keys().filter(|_| wanted(TestedKind::Flag));
            let kind = kind.map_or("experiment or flag", TestedKind::as_str);
            let mut known: Vec<&str> = experiments.chain(flags).copied().collect();
            known.sort_unstable();
            unknown(Code::UnknownKey, kind, key, known, "tests", findings);
        }
    }
    None
}

fn warn_of_now(written: &TestsConfig, findings: &mut Findings) {
    let timeless = |case: &&CaseConfig| case.at.is_none() && written.at.is_none();
    let count = written.cases.iter().filter(timeless).count();
    if count > 0 && !findings.is_broken("at") {
        let message = format!("the outcome depends on the time, and {count} of the cases name none");
        findings.add(Code::TimeMissing, "tests", message).help("add `at:` beside `tests:`, or to each case");
    }
}

/// The context in which cases are checked.
struct CaseChecks<'a> {
    /// `None` where it has an error, and is left out of the catalog: its variants are not known then.
    tested: Option<TestSubject<'a>>,
    is_experiment: bool,
    findings: &'a mut Findings,
}

impl CaseChecks<'_> {
    /// A case without its exceptions and time.
    fn case(&mut self, written: &CaseConfig, path: &Path) -> Case {
        let attributes = written.context.clone().unwrap_or_default().0;
        if let Err(error) = ContextLimits::default().check(&attributes) {
            self.findings
                .add(Code::TooLarge, path.field("context"), error.to_string())
                .help("the functions also refuse such a context; use a smaller one");
        }
        if let Some(pin) = &written.pin {
            self.pin(pin, &path.field("pin"));
        }
        if let Some(buckets) = &written.buckets {
            self.check_buckets(buckets, &path.field("buckets"));
        }
        Case {
            name: written.name.clone(),
            path: path.clone(),
            matrix: written.matrix.clone(),
            unit: written.unit.clone(),
            buckets: Buckets { given: written.buckets.unwrap_or_default(), hashed: written.unit.is_some() },
            context: attributes,
            at: None,
            pin: written.pin.clone(),
            expect: self.expect(&written.expect, &path.field("expect")),
            exceptions: Vec::new(),
        }
    }

    fn pin(&mut self, variant: &str, path: &Path) {
        if self.is_experiment {
            self.variant(variant, path);
        } else {
            let finding = self.findings.add(Code::ExpectationInvalid, path, "flags have no pins");
            finding.help("remove it: a flag is evaluated again each time");
        }
    }

    fn check_buckets(&mut self, written: &BucketsConfig, path: &Path) {
        let BucketsConfig { holdout, layer, traffic, variant, rollout, percentage } = *written;
        let buckets = [holdout, layer, traffic, variant, rollout, percentage];
        for (name, bucket) in BucketsConfig::FIELDS.iter().zip(buckets) {
            if bucket.is_some_and(|it| it >= BUCKETS) {
                self.findings
                    .add(Code::RangeInvalid, path.field(*name), "there is no such bucket")
                    .help("buckets are numbered from 0 to 999,999");
            }
        }
        if self.is_experiment && rollout.is_some() {
            self.findings
                .add(Code::ExpectationInvalid, path.field("rollout"), "experiments have no rollout")
                .help("`traffic` decides which units take part, `variant` which variant they get");
        }
    }

    /// Compiles the expectation of a case or an exception.
    fn expect(&mut self, written: &ExpectConfig, path: &Path) -> Expect {
        let ExpectConfig { variant, value, reason } = written.clone();
        let says_nothing = variant == ExpectedVariant::Any && value.is_none() && reason.is_none();
        if says_nothing && !self.findings.is_broken(path) {
            self.contradiction(path, "nothing is expected", "add `variant:`, `value:` or `reason:`");
        }
        if let ExpectedVariant::Key(key) = &variant {
            self.variant(key, &path.field("variant"));
        }
        if let Some(reason) = &reason {
            self.reason(reason, &path.field("reason"));
        }
        if self.is_experiment {
            self.of_experiment(&variant, value.as_ref(), reason.as_deref(), path);
        } else {
            self.of_flag(&variant, value.as_ref(), path);
        }
        Expect { variant, value, reason }
    }

    fn of_experiment(
        &mut self,
        variant: &ExpectedVariant,
        value: Option<&Value>,
        reason: Option<&str>,
        path: &Path,
    ) {
        if value.is_some() {
            let help = "expect the `variant`; only flags have values";
            self.contradiction(&path.field("value"), "experiments have no value", help);
        }
        let reason = Reason::ALL.into_iter().find(|it| Some(it.as_str()) == reason);
        // What is completed without a winner gives none, too, but then it is not for the winner.
        let (Some(reason), true) = (reason, *variant != ExpectedVariant::Any) else { return };
        let gives = matches!(reason, Reason::Winner | Reason::Override | Reason::Pinned | Reason::Assigned);
        if gives != matches!(variant, ExpectedVariant::Key(_)) {
            let what = if gives { "always comes with a variant" } else { "never comes with a variant" };
            self.contradiction(path, &format!("the reason `{reason}` {what}"), "expect one of the two");
        }
    }

    fn of_flag(&mut self, variant: &ExpectedVariant, value: Option<&Value>, path: &Path) {
        if *variant == ExpectedVariant::Nothing {
            let help = "expect the default variant";
            self.contradiction(&path.field("variant"), "a flag always gives a variant", help);
        }
        let (Some(TestSubject::Flag(_, flag)), Some(value)) = (self.tested, value) else { return };
        let fits = |key: &str| match variant {
            ExpectedVariant::Key(wanted) => key == wanted,
            _ => true,
        };
        let mut known = flag.variants().iter().filter(|it| fits(&it.key)).map(|it| &it.value).peekable();
        if known.peek().is_some() && !known.any(|it| equal(it, value)) {
            let values: Vec<_> =
                flag.variants().iter().map(|it| format!("`{}` is {}", it.key, it.value)).collect();
            let message = format!("no expected variant has the value {value}");
            self.contradiction(&path.field("value"), &message, &values.join(", "));
        }
    }

    fn variant(&mut self, key: &str, path: &Path) {
        let known: Vec<&str> = match self.tested {
            Some(TestSubject::Experiment(it)) => it.variants().iter().map(|it| &*it.key).collect(),
            Some(TestSubject::Flag(_, it)) => it.variants().iter().map(|it| &*it.key).collect(),
            None => return,
        };
        if !known.contains(&key) {
            unknown(Code::UnknownVariant, "variant", key, known, path, self.findings);
        }
    }

    fn reason(&mut self, word: &str, path: &Path) {
        let of_experiments = || Reason::ALL.iter().map(|it| it.as_str());
        let of_flags = || crate::decide::FlagReason::ALL.iter().map(|it| it.as_str());
        let known: Vec<_> =
            if self.is_experiment { of_experiments().collect() } else { of_flags().collect() };
        if known.contains(&word) {
            return;
        }
        let kind = if self.is_experiment { "an experiment" } else { "a flag" };
        let help = match did_you_mean(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of: {}", known.join(", ")),
        };
        let message = format!("{} is not a reason of {kind}", crate::document::quote(word));
        self.findings.add(Code::UnknownWord, path, message).help(help);
    }

    fn contradiction(&mut self, path: &Path, message: &str, help: &str) {
        self.findings.add(Code::ExpectationInvalid, path, message).help(help);
    }
}
