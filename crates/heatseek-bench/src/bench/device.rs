//! All cases on one device with one storage type.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heatseek::{
    Cancelled, Control, DeviceChoice, DeviceReport, Error, LoadOptions, LocalFuture, ModelFiles, Progress,
    Stage, Tune, block_on,
};
use heatseek_gpu::AdapterReport;

use super::args::BenchArgs;
use super::bar::Bar;
use super::case::{Case, Cases, Class};
use super::dtype::Dtype;
use super::kernels::{Ceilings, On, OpRow, breakdown, ceilings, ceilings_of_cpu};
use super::measure::Rounds;
use super::one_case::OneCase;
use super::peers::{Place, Pool};
use super::report::{Absent, ColdStart, DeviceRun, Peak, Report};
use super::subject::{Blueprint, Subject};
use super::truth::{self, Truth};
use super::work::{Maker, Work};
use crate::failure::Failure;

/// How long the rounds of a case go on: without and with `--quick`.
const BUDGET: [Duration; 2] = [Duration::from_secs(6), Duration::from_secs(1)];
/// Rounds at most, likewise.
const ROUNDS: [usize; 2] = [50, 5];

/// Everything that a run shares.
pub struct Bench<'a> {
    pub args: &'a BenchArgs,
    pub path: &'a Path,
    pub blueprint: &'a Blueprint,
    pub maker: Maker,
    pub adapters: Vec<AdapterReport>,
    pub pool: Pool<'a>,
    pub bar: Bar,
    /// Inputs of cases, and what they should become.
    pub works: HashMap<Case, Arc<Work>>,
    pub truth: HashMap<Case, Truth>,
    pub report: Report,
}

impl Bench<'_> {
    /// Measures all cases on `device`. A device that is not there is reported and no failure.
    pub fn device(&mut self, device: DeviceChoice, dtype: Dtype) -> Result<(), Failure> {
        let name = name(device);
        let what = format!("{name} {}", dtype.name());
        self.bar.say(&format!("{what}: loading"));
        let tune = if self.args.tune { Tune::Idle } else { Tune::Never };
        let options = dtype.applied(LoadOptions { device, tune, ..LoadOptions::default() });
        let (subject, mut cold_start) = match load(self.path, &options) {
            Ok(loaded) => loaded,
            Err(error) => return self.absent(what, error.into()),
        };
        let about = subject.device();
        if about.kind != name && device != DeviceChoice::Auto {
            let reason = about.fallback.unwrap_or_else(|| format!("it ran on {} instead", about.kind));
            let absent = Absent { what, reason, code: None };
            self.bar.tell(&absent.to_string());
            self.report.refused.push(absent);
            return Ok(());
        }
        let place = if matches!(about.kind, "cpu" | "reference") { Place::Cpu } else { Place::Gpu };
        // While they import, the reference computes; from then on one at a time does.
        self.args.against.iter().for_each(|peer| self.pool.begin(peer, dtype, place));
        let class = self.class(&about);
        let cases = self.cases(class)?;
        self.bar.say(&format!("{what}: waiting for peers"));
        self.args.against.iter().for_each(|peer| drop(self.pool.get(peer, dtype, place)));
        let executor = block_on(heatseek::executor(&options))?;
        let on = On { executor: &*executor, dtype };
        let timed = !self.args.quick && device != DeviceChoice::Reference;
        let mut limits = if timed { self.ceilings(&what, class, on)? } else { Vec::new() };
        if let Some(first) = cases.first() {
            let began = Instant::now();
            subject.embed(&self.works[first])?;
            cold_start.first_run_ms = ms(began);
        }
        let quick = usize::from(self.args.quick);
        let rounds = Rounds { most: self.args.rounds.unwrap_or(ROUNDS[quick]), budget: self.budget(quick) };
        let (mut measured, first_row) = (None, self.report.rows.len());
        for &case in &cases {
            self.bar.say(&format!("{what}: {case}"));
            let one = OneCase {
                blueprint: self.blueprint,
                subject: &subject,
                case,
                work: &self.works[&case],
                truth: &self.truth[&case],
                device: name,
                dtype,
                place,
                rounds,
                against: &self.args.against,
                tune: self.args.tune,
            };
            if one.run(&mut self.pool, &mut self.report, &self.bar)? {
                measured = Some(case);
            }
        }
        if !limits.is_empty() {
            // Once more: a machine that was slower for a moment has no lower ceilings.
            let again = self.ceilings(&what, class, on)?;
            limits.iter_mut().zip(again).for_each(|(one, other)| *one = one.best(other));
        }
        self.bar.say(&format!("{what}: op by op"));
        let mut ops = Vec::new();
        if let Some(case) = measured {
            match self.ops(&subject, case, dtype, timed.then_some(on)) {
                Ok(rows) => ops = rows,
                Err(failure) => self.absent(format!("{what}: op by op"), failure)?,
            }
        }
        let rows = &mut self.report.rows[first_row..];
        let peak = limits.last().map(|ceilings| Peak::of_all(ceilings, &ops, rows));
        for row in rows {
            row.share_of_peak = peak.as_ref().map(|peak| row.gflops / peak.gflops);
        }
        self.report.devices.push(DeviceRun {
            device: name.to_owned(),
            dtype,
            name: about.name,
            backend: about.backend,
            kernels: about.kernels,
            cold_start,
            ceilings: limits,
            peak,
            ops,
            ops_case: measured,
        });
        Ok(())
    }

    /// The ceilings of a device; none if it cannot run them.
    fn ceilings(&mut self, what: &str, class: Class, on: On<'_>) -> Result<Vec<Ceilings>, Failure> {
        self.bar.say(&format!("{what}: measuring ceilings"));
        let measured = match class {
            Class::Host => ceilings_of_cpu(on.dtype, self.report.environment.threads, false),
            _ => ceilings(on, class == Class::Slow).map(|one| vec![one]).map_err(Failure::from),
        };
        measured.or_else(|failure| self.absent(format!("{what}: ceilings"), failure).map(|()| Vec::new()))
    }

    fn absent(&mut self, what: String, failure: Failure) -> Result<(), Failure> {
        let Failure::Told { code, message } = failure else { return Err(failure) };
        let absent = Absent { what, reason: message, code: Some(code) };
        self.bar.tell(&absent.to_string());
        self.report.missing.push(absent);
        Ok(())
    }

    fn class(&self, about: &DeviceReport) -> Class {
        let software = |a: &AdapterReport| a.software && a.name == about.name;
        match about.kind {
            "cpu" => Class::Host,
            "reference" => Class::Slow,
            _ if self.adapters.iter().any(software) => Class::Slow,
            _ => Class::Fast,
        }
    }

    /// The cases of a device, with their inputs made and the truth about them computed.
    fn cases(&mut self, class: Class) -> Result<Vec<Case>, Failure> {
        let pictures = self.blueprint.takes_pictures();
        let defaults = || Case::defaults(class, pictures, self.args.quick);
        let asked = |words: &Vec<Cases>| words.iter().flat_map(|cases| cases.0.clone()).collect();
        let mut cases = self.args.cases.as_ref().map_or_else(defaults, asked);
        let mut seen = HashSet::new();
        cases.retain(|case| seen.insert(*case));
        if self.args.cases.is_none() {
            let longest = self.blueprint.longest();
            cases.retain(|case| case.sizes().into_iter().all(|size| size <= longest));
        }
        let mut new = Vec::new();
        for &case in &cases {
            if !self.works.contains_key(&case) {
                let work = Arc::new(self.maker.make(case, self.blueprint.longest())?);
                self.works.insert(case, work.clone());
                new.push((case, work));
            }
        }
        let steps = self.bar.steps("reference");
        self.truth.extend(truth::of_cases(self.blueprint, &new, self.args.quick, &steps)?);
        steps.finish_and_clear();
        Ok(cases)
    }

    /// Less for each peer's turn would make noise of many peers; so each gets its own time.
    fn budget(&self, quick: usize) -> Duration {
        match self.args.rounds {
            Some(_) => Duration::MAX,
            None => BUDGET[quick] * (1 + self.args.against.len() as u32).div_ceil(2),
        }
    }

    fn ops(
        &self,
        subject: &Subject,
        case: Case,
        dtype: Dtype,
        on: Option<On<'_>>,
    ) -> Result<Vec<OpRow>, Failure> {
        let (parts, work) = (subject.parts(), &self.works[&case]);
        let items: Vec<usize> = (0..work.len()).collect();
        let batches = self.blueprint.batches(work, &items, parts.plan.preferred_rows())?;
        match batches.first() {
            Some(batch) => Ok(breakdown(&parts.program, batch, dtype, on)?),
            None => Ok(Vec::new()),
        }
    }
}

/// The name that [`DeviceReport::kind`] has for it.
fn name(device: DeviceChoice) -> &'static str {
    const NAMES: [&str; 5] = ["auto", "reference", "cpu", "gpu", "cuda"];
    let named = |name: &&&str| DeviceChoice::from_name(name).is_ok_and(|other| other == device);
    NAMES.iter().find(named).copied().unwrap_or("another")
}

/// Loads the model and tells how long each part took.
fn load(path: &Path, options: &LoadOptions) -> Result<(Subject, ColdStart), Error> {
    let began = Instant::now();
    let files = ModelFiles::from_dir(path)?;
    let files_ms = ms(began);
    let clock = Clock::default();
    let began = Instant::now();
    let subject = Subject::load(files, options.clone(), &clock)?;
    let stages = clock.0.borrow();
    let from = |stage: Stage| stages.iter().find(|(known, _)| *known == stage).map(|(_, at)| *at);
    let end = Instant::now();
    // Devices of the host tell neither when they begin to lay out weights nor of a check.
    let (prepare, check) = (from(Stage::Prepare), from(Stage::SelfCheck));
    let checked_at = check.unwrap_or(end);
    let span = |from: Instant, to: Instant| 1e3 * to.saturating_duration_since(from).as_secs_f64();
    let cold_start = ColdStart {
        files_ms,
        read_ms: span(began, prepare.unwrap_or(checked_at)),
        prepare_ms: prepare.map(|from| span(from, checked_at)),
        self_check_ms: check.map(|from| span(from, end)),
        first_run_ms: 0.0,
    };
    Ok((subject, cold_start))
}

fn ms(began: Instant) -> f64 {
    1e3 * began.elapsed().as_secs_f64()
}

/// When each stage was first heard of.
#[derive(Default)]
struct Clock(Rc<RefCell<Vec<(Stage, Instant)>>>);

impl Control for Clock {
    fn progress(&self, progress: Progress) {
        let mut stages = self.0.borrow_mut();
        if !stages.iter().any(|(stage, _)| *stage == progress.stage) {
            stages.push((progress.stage, Instant::now()));
        }
    }

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
