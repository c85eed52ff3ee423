//! What is wrong with the metrics of an experiment, and with the plan that names them.

use super::names::unknown;
use super::shared::unique;
use crate::document::{
    ExperimentConfig, MetricConfig, MetricKind, MetricRole, NumberOrPercent, PlanConfig, PlanLooks,
};
use crate::event::Amount;
use crate::finding::{Code, Findings, Path};

/// The most attributes that are copied into exposures: each makes every exposure larger.
const MAX_DIMENSIONS: usize = 8;

pub(super) fn check(written: &ExperimentConfig, findings: &mut Findings) {
    let metrics = &written.metrics;
    unique("metric", "metrics", metrics.iter().map(|it| &*it.key), findings);
    for (at, metric) in metrics.iter().enumerate() {
        MetricCheck { metric, path: Path::of("metrics").index(at), findings }.run(metrics);
    }
    check_primaries(written, findings);
    if let Some(plan) = &written.plan {
        check_plan(plan, metrics, findings);
    }
    check_dimensions(&written.dimensions, findings);
}

struct MetricCheck<'a> {
    metric: &'a MetricConfig,
    path: Path,
    findings: &'a mut Findings,
}

impl MetricCheck<'_> {
    fn run(&mut self, all: &[MetricConfig]) {
        let kind = self.metric.kind;
        if self.findings.is_broken(&self.path) {
            return;
        }
        if kind.needs_property() && self.metric.property.is_none() {
            self.refuse(
                "",
                format!("a {kind} needs a `property`"),
                "name the property of the event that holds the number",
            );
        }
        if kind.needs_event() {
            match self.metric.event.as_deref().map(str::trim) {
                None => self.refuse("", format!("a {kind} needs an `event`"), "name the events to count"),
                Some("") => self.refuse("event", "the event is blank".to_owned(), "name the events to count"),
                Some(_) => {}
            }
        }
        match kind {
            MetricKind::Ratio => self.check_ratio(all),
            MetricKind::Quantile => self.check_quantile(),
            MetricKind::Conversion | MetricKind::Count | MetricKind::Sum | MetricKind::Mean => {}
        }
        self.check_fields();
        if let Some((from, to)) = self.metric.window.and_then(|it| Some((it.from?, it.to?)))
            && to <= from
        {
            self.refuse(
                "window",
                "the window ends before it begins, or at once".to_owned(),
                "`to` must be later than `from`",
            );
        }
        for (field, value) in [("minimum_effect", self.metric.minimum_effect), ("margin", self.metric.margin)]
        {
            if value.is_some_and(|it| it.number <= 0.0 || !it.number.is_finite()) {
                self.refuse(
                    field,
                    format!("`{field}` must be greater than 0"),
                    "write the size of the change, without its sign",
                );
            }
        }
        if self.metric.margin.is_some() && self.metric.role != Some(MetricRole::Guardrail) {
            self.refuse(
                "margin",
                "only a guardrail has a margin".to_owned(),
                "write `role: guardrail`, or remove the margin",
            );
        }
        self.check_cap();
    }

    fn check_ratio(&mut self, all: &[MetricConfig]) {
        let mut windows = Vec::new();
        for (field, written) in
            [("numerator", &self.metric.numerator), ("denominator", &self.metric.denominator)]
        {
            let Some(key) = written else {
                self.refuse(
                    "",
                    format!("a ratio needs a `{field}`"),
                    "name another metric of the experiment by its key",
                );
                continue;
            };
            let Some(part) = all.iter().find(|it| it.key == *key) else {
                let known = all.iter().filter(|it| it.kind != MetricKind::Ratio).map(|it| &*it.key);
                let path = self.path.field(field);
                unknown(Code::MetricInvalid, "metric", key, known, &path, self.findings);
                continue;
            };
            if !matches!(part.kind, MetricKind::Count | MetricKind::Sum) {
                self.refuse(
                    field,
                    format!("`{}` is a {}, and a ratio is of counts and sums", &**key, part.kind),
                    "name a metric of the kind `count` or `sum`",
                );
            }
            windows.push(part.window);
        }
        if let [numerator, denominator] = windows[..]
            && numerator != denominator
        {
            self.refuse(
                "",
                "the parts of the ratio have different windows".to_owned(),
                "give both metrics the same `window`",
            );
        }
        if self.metric.window.is_some() {
            self.refuse("window", "a ratio has the window of its parts".to_owned(), "remove the window here");
        }
    }

    fn check_quantile(&mut self) {
        match self.metric.q {
            None => self.refuse("", "a quantile needs a `q`".to_owned(), "write for example `q: 90%`"),
            Some(q) if q.0 <= 0.0 || q.0 >= 1.0 => {
                self.refuse("q", "`q` must be between 0 and 1".to_owned(), "write for example `q: 90%`");
            }
            Some(_) => {}
        }
    }

    /// Fields that the kind has no use for, so that nobody believes in them.
    fn check_fields(&mut self) {
        use MetricKind::{Conversion, Count, Mean, Quantile, Ratio, Sum};
        let metric = self.metric;
        let written: [(&str, bool, &[MetricKind]); 7] = [
            ("event", metric.event.is_some(), &[Conversion, Count, Sum, Mean, Quantile]),
            ("numerator", metric.numerator.is_some(), &[Ratio]),
            ("denominator", metric.denominator.is_some(), &[Ratio]),
            ("q", metric.q.is_some(), &[Quantile]),
            ("per", metric.per.is_some(), &[Quantile]),
            ("cap", metric.cap.is_some(), &[Count, Sum]),
            ("covariate", metric.covariate.is_some(), &[Conversion, Count, Sum, Mean, Ratio]),
        ];
        for (field, is_written, kinds) in written {
            if is_written && !kinds.contains(&metric.kind) {
                let kinds: Vec<String> = kinds.iter().map(|it| format!("`{it}`")).collect();
                let help = format!("it belongs to {}; remove it here", kinds.join(", "));
                self.refuse(field, format!("a {} has no `{field}`", metric.kind), &help);
            }
        }
    }

    fn check_cap(&mut self) {
        let is_valid = |cap: NumberOrPercent| {
            let is_in_range =
                if cap.is_percent { cap.number < 100.0 } else { Amount::from_f64(cap.number).is_some() };
            cap.number > 0.0 && is_in_range
        };
        if self.metric.cap.is_some_and(|it| !is_valid(it)) {
            let help = "write a number above 0, or a percentile between 0 % and 100 % as `99%`";
            self.refuse("cap", "no total can be capped at this".to_owned(), help);
        }
    }

    /// Notes that the metric cannot be computed; without a field it is the metric as a whole.
    fn refuse(&mut self, field: &'static str, message: String, help: &str) {
        let path = if field.is_empty() { self.path.clone() } else { self.path.field(field) };
        if !self.findings.is_broken(&path) {
            self.findings.add(Code::MetricInvalid, path, message).help(help);
        }
    }
}

/// Every primary metric takes its part of the error rate, so one that is primary by default only is worth a word.
fn check_primaries(written: &ExperimentConfig, findings: &mut Findings) {
    let has_goal = written.plan.as_ref().is_some_and(|it| it.goal.is_some());
    let roles = || written.metrics.iter().map(|it| it.role);
    let by_default = roles().filter(Option::is_none).count();
    let is_named = has_goal || roles().any(|it| it == Some(MetricRole::Primary));
    if by_default > 1 && !is_named && !findings.is_broken("metrics") {
        findings
            .add(
                Code::SeveralPrimaries,
                "metrics",
                format!("{by_default} metrics are primary, because no role is written"),
            )
            .help("write `role: primary` at the one that decides; the others are then secondary");
    }
}

fn check_plan(plan: &PlanConfig, metrics: &[MetricConfig], findings: &mut Findings) {
    let path = Path::of("plan");
    let mut refuse = |field: &'static str, message: &str, help: &str| {
        let path = path.field(field);
        if !findings.is_broken(&path) {
            findings.add(Code::PlanInvalid, path, message).help(help);
        }
    };
    let is_share = |it: f64| it > 0.0 && it < 1.0;
    if plan.power.is_some_and(|it| !is_share(it.0)) {
        refuse("power", "the power must be between 0 and 1", "write for example `power: 80%`");
    }
    if plan.alpha.is_some_and(|it| !is_share(it.0)) {
        refuse("alpha", "alpha must be between 0 and 1", "write for example `alpha: 5%`");
    }
    if plan.minimum_effect.is_some_and(|it| it.number <= 0.0 || !it.number.is_finite()) {
        refuse(
            "minimum_effect",
            "the effect must be greater than 0",
            "write for example `minimum_effect: 5%`",
        );
    }
    for (field, number) in [("units", plan.units), ("days", plan.days)] {
        if number == Some(0) {
            refuse(field, "the number must be greater than 0", "`abx power KEY` computes a plan");
        }
    }
    if plan.looks == Some(PlanLooks::Final) && plan.units.is_none() && plan.days.is_none() {
        refuse(
            "looks",
            "nobody knows when the one look is",
            "write `units` or `days`; `abx power KEY` computes both",
        );
    }
    if let Some(goal) = &plan.goal {
        let found = metrics.iter().find(|it| it.key == *goal);
        let path = path.field("goal");
        match found {
            None if !findings.is_broken("metrics") => {
                let known = metrics.iter().map(|it| &*it.key);
                unknown(Code::PlanInvalid, "metric", goal, known, &path, findings);
            }
            Some(it) if it.role.is_some_and(|role| role != MetricRole::Primary) => {
                findings
                    .add(
                        Code::PlanInvalid,
                        path,
                        format!("the goal `{}` has another role than primary", &**goal),
                    )
                    .help("remove its `role`, or name another goal");
            }
            _ => {}
        }
    }
}

fn check_dimensions(dimensions: &[String], findings: &mut Findings) {
    if dimensions.len() > MAX_DIMENSIONS {
        findings
            .add(
                Code::PlanInvalid,
                "dimensions",
                format!("there are {} dimensions, and {MAX_DIMENSIONS} are the limit", dimensions.len()),
            )
            .help("each one makes every exposure larger: keep those that results are read by");
    }
    for (at, dimension) in dimensions.iter().enumerate() {
        let path = Path::of("dimensions").index(at);
        if dimension.trim().is_empty() && !findings.is_broken(&path) {
            findings
                .add(Code::BlankText, path, "the attribute is blank")
                .help("name an attribute, for example `country`");
        } else if dimensions.iter().take(at).any(|it| it == dimension) && !findings.is_broken(&path) {
            findings
                .add(Code::DuplicateKey, path, format!("the dimension `{dimension}` is written twice"))
                .help("remove one");
        }
    }
}
