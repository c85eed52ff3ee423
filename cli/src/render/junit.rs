//! JUnit XML, which most CI servers show as test results.
//!
//! There is no standard. What is written is valid by the schema of Ant's reports and by that of Jenkins' xunit plugin,
//! which are the strictest in use: suites without attributes around them, each suite with all of its attributes and
//! elements, a test without `file`, `line` and output of its own. `.ci/junit` checks it.

use super::escape::{xml_attribute, xml_text};
use jiff::Timestamp;
use std::fmt::Write as _;

/// Tests that belong together.
#[derive(Debug)]
pub struct JunitSuite {
    /// The document that the tests are about.
    pub name: String,
    /// The tests.
    pub cases: Vec<JunitCase>,
    /// Text that belongs to the suite as a whole.
    pub output: String,
}

/// One test.
#[derive(Debug)]
pub struct JunitCase {
    /// The name of the case.
    pub name: String,
    /// The group of the case: the document that it tests.
    pub class: String,
    /// The failure; `None` if the case passed.
    pub failure: Option<JunitFailure>,
}

/// The failure of a test.
#[derive(Debug)]
pub struct JunitFailure {
    /// A word for its kind.
    pub kind: String,
    /// The failure in a line.
    pub message: String,
    /// The failure in full.
    pub text: String,
}

/// All suites of a run at a time. Nobody measures the time of a test: it is a fraction of a millisecond.
#[must_use]
pub fn suites(suites: &[JunitSuite], at: Timestamp) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let at = at.strftime("%Y-%m-%dT%H:%M:%S");
    let version = env!("CARGO_PKG_VERSION");
    for (id, suite) in suites.iter().enumerate() {
        let failures = suite.cases.iter().filter(|case| case.failure.is_some()).count();
        let (name, tests) = (xml_attribute(&suite.name), suite.cases.len());
        let _ = writeln!(
            text,
            "  <testsuite id=\"{id}\" name=\"{name}\" package=\"abx\" hostname=\"localhost\" timestamp=\"{at}\" \
             tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"0\">\n    <properties>\n      \
             <property name=\"abx.version\" value=\"{version}\"/>\n    </properties>"
        );
        suite.cases.iter().for_each(|it| case(&mut text, it));
        let output = xml_text(&suite.output);
        let _ = writeln!(text, "    <system-out>{output}</system-out>\n    <system-err/>\n  </testsuite>");
    }
    text + "</testsuites>\n"
}

fn case(text: &mut String, case: &JunitCase) {
    let (name, class) = (xml_attribute(&case.name), xml_attribute(&case.class));
    let _ = write!(text, "    <testcase classname=\"abx.{class}\" name=\"{name}\" time=\"0\"");
    let Some(JunitFailure { kind, message, text: full }) = &case.failure else {
        text.push_str("/>\n");
        return;
    };
    let (kind, message, full) = (xml_attribute(kind), xml_attribute(message), xml_text(full));
    let _ = writeln!(
        text,
        ">\n      <failure type=\"{kind}\" message=\"{message}\">{full}</failure>\n    </testcase>"
    );
}
