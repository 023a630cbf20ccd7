//! One case on one device, in rounds with the peers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use heatseek::{Error, Parts};
use heatseek_ops::Batch;

use super::bar::Bar;
use super::case::Case;
use super::cost;
use super::dtype::Dtype;
use super::measure::{Rounds, Timed, Times, interleave, median, ms};
use super::peers::{Peer, Place, Pool, Task};
use super::report::{Absent, PeerResult, Report, Row};
use super::subject::{Blueprint, Subject, forward};
use super::table::figures;
use super::truth::Truth;
use super::work::Work;
use crate::failure::Failure;

/// Runs before anything is timed, beside the one whose answer is checked.
const WARM_UP: usize = 2;

/// What is run, where and against whom.
pub struct OneCase<'a> {
    pub blueprint: &'a Blueprint,
    pub subject: &'a Subject,
    pub case: Case,
    pub work: &'a Work,
    pub truth: &'a Truth,
    pub device: &'static str,
    pub dtype: Dtype,
    pub place: Place,
    pub rounds: Rounds,
    pub against: &'a [&'static str],
    /// Whether kernels are chosen by measuring before it is timed.
    pub tune: bool,
}

/// A peer that has the inputs and gave the right answer.
struct Ready {
    name: &'static str,
    peer: Rc<RefCell<Peer>>,
    cosine: f64,
    failed: Cell<bool>,
}

impl OneCase<'_> {
    /// Checks and times it; the rows go to `report`. False if there is nothing to time.
    pub fn run(&self, pool: &mut Pool<'_>, report: &mut Report, bar: &Bar) -> Result<bool, Failure> {
        let what = format!("{} {} {}", self.device, self.dtype.name(), self.case);
        let parts = self.subject.parts();
        let items: Vec<usize> = (0..self.work.len()).collect();
        let batches = self.blueprint.batches(self.work, &items, parts.plan.preferred_rows())?;
        let cosines = match self.checked(&parts, &batches) {
            Ok(Ok(cosines)) => cosines,
            Ok(Err(reason)) => {
                bar.tell(&format!("{what}: not timed, the answer is wrong: {reason}"));
                report.refused.push(Absent { what, reason, code: None });
                return Ok(false);
            }
            // A batch that is too large for a device is no reason not to measure others.
            Err(error) => {
                let absent = Absent { what, reason: error.to_string(), code: Some(error.code()) };
                bar.tell(&absent.to_string());
                report.missing.push(absent);
                return Ok(false);
            }
        };
        if self.tune {
            bar.say(&format!("{what}: choosing kernels"));
            self.subject.tune()?;
            if let Ok(Err(reason)) = self.checked(&parts, &batches) {
                bar.tell(&format!("{what}: not timed, the answer of the chosen kernels is wrong: {reason}"));
                report.refused.push(Absent { what, reason, code: None });
                return Ok(false);
            }
        }
        let peers = self.peers(pool, report, bar, &what);
        let (measured, on_device) = self.timed(&parts, &batches, cosines[1].is_some(), &peers)?;
        let cost = cost::total(&parts.program, &batches, self.dtype.bytes())?;
        let tokens: usize = batches.iter().map(Batch::rows).sum();
        let tasks = [(Task::Forward, 0), (Task::EndToEnd, 1)];
        for ((task, own), cosine) in tasks.into_iter().zip(cosines) {
            let Some(cosine_to_reference) = cosine else { continue };
            let times = Times::of(&measured[own]);
            let seconds = times.median_ms / 1e3;
            let gflops = cost.flops as f64 / seconds / 1e9;
            let row = Row {
                case: self.case,
                inputs: self.work.len(),
                tokens,
                runs: batches.len(),
                device: self.device.to_owned(),
                dtype: self.dtype,
                task,
                times,
                device_ms: on_device.filter(|_| task == Task::Forward),
                tokenise_ms: (task == Task::EndToEnd).then(|| median(&measured[2])),
                inputs_per_s: self.work.len() as f64 / seconds,
                tokens_per_s: tokens as f64 / seconds,
                flops: cost.flops,
                bytes: cost.bytes,
                gflops,
                share_of_peak: None,
                cosine_to_reference,
                checked_against: self.truth.source,
                peer: None,
            };
            let mut compared = false;
            for (at, ready) in peers.iter().enumerate() {
                let peer = ready.peer.borrow();
                if peer.task != task || ready.failed.get() {
                    continue;
                }
                let theirs = &measured[3 + at];
                let result =
                    PeerResult::new(ready.name, &peer.about.device, ready.cosine, &measured[own], theirs);
                bar.tell(&line(&row, Some(&result)));
                report.rows.push(Row { peer: Some(result), ..row.clone() });
                compared = true;
            }
            if !compared {
                bar.tell(&line(&row, None));
                report.rows.push(row);
            }
        }
        Ok(true)
    }

    /// The cosines of both tasks, if the second one is there, or why an answer is wrong.
    fn checked(&self, parts: &Parts, batches: &[Batch]) -> Result<Result<[Option<f64>; 2], String>, Error> {
        let (inputs, least) = (self.work.len(), self.dtype.least_cosine());
        let forward = match self.truth.check(&forward(parts, batches)?.vectors, inputs, least) {
            Ok(cosine) => cosine,
            Err(reason) => return Ok(Err(reason)),
        };
        // Pictures that the preprocessor makes smaller would be another case.
        if matches!(self.work, Work::Pictures { own: false, .. }) {
            return Ok(Ok([Some(forward), None]));
        }
        let end_to_end = self.truth.check(&self.subject.embed(self.work)?, inputs, least);
        Ok(end_to_end.map(|cosine| [Some(forward), Some(cosine)]))
    }

    /// The peers that are there and answer right.
    fn peers(&self, pool: &mut Pool<'_>, report: &mut Report, bar: &Bar, what: &str) -> Vec<Ready> {
        let samples: Vec<usize> = self.truth.vectors.iter().map(|(item, _)| *item).collect();
        let mut all = Vec::new();
        for &name in self.against {
            bar.say(&format!("{what}: preparing {name}"));
            let file = pool.pixels_file();
            let peer = match pool.get(name, self.dtype, self.place) {
                Ok(peer) => peer,
                Err(reason) => {
                    // Told once, and not again for every case.
                    let what = format!("{name} {} for {}", self.dtype.name(), self.device);
                    let absent = Absent { what, reason, code: None };
                    if !report.missing.contains(&absent) {
                        bar.tell(&absent.to_string());
                        report.missing.push(absent);
                    }
                    continue;
                }
            };
            let prepared = Ok(peer).and_then(|peer: Rc<RefCell<Peer>>| {
                let vectors = peer.borrow_mut().prepare(self.work, &samples, &file)?;
                let cosine = self.truth.check_samples(&vectors, self.dtype.least_cosine_of_peers())?;
                Ok(Ready { name, peer, cosine, failed: Cell::new(false) })
            });
            match prepared {
                Ok(ready) => all.push(ready),
                Err(reason) => {
                    let absent = Absent { what: format!("{what}: {name}"), reason, code: None };
                    bar.tell(&absent.to_string());
                    report.missing.push(absent);
                }
            }
        }
        all
    }

    /// Times of: the forward, end to end, what comes before the device in that, and each peer; beside them the median of
    /// what the device itself took for the forward, in the same rounds.
    fn timed(
        &self,
        parts: &Parts,
        batches: &[Batch],
        end_to_end: bool,
        peers: &[Ready],
    ) -> Result<(Vec<Vec<f64>>, Option<f64>), Failure> {
        let on_device = RefCell::new(Vec::new());
        let mut timed: Vec<Timed<'_>> = vec![Box::new(|| {
            ms(|| forward(parts, batches).map(|done| on_device.borrow_mut().push(done.device_ms)))
        })];
        match end_to_end {
            true => {
                timed.push(Box::new(|| ms(|| self.subject.embed(self.work).map(drop))));
                timed.push(Box::new(|| ms(|| self.subject.prepare(self.work))));
            }
            false => timed.extend([0, 1].map(|_| Box::new(|| Ok(f64::NAN)) as Timed<'_>)),
        }
        for ready in peers {
            timed.push(Box::new(move || {
                if ready.failed.get() {
                    return Ok(f64::NAN);
                }
                // One that fails now is left out; the others go on.
                Ok(ready.peer.borrow_mut().time().unwrap_or_else(|_| {
                    ready.failed.set(true);
                    f64::NAN
                }))
            }));
        }
        for _ in 0..WARM_UP {
            timed[0]()?;
        }
        on_device.borrow_mut().clear();
        let measured = interleave(&mut timed, self.rounds)?;
        drop(timed);
        let on_device: Option<Vec<f64>> = on_device.into_inner().into_iter().collect();
        Ok((measured, on_device.map(|all| median(&all))))
    }
}

fn line(row: &Row, peer: Option<&PeerResult>) -> String {
    let task = row.task.name();
    let own = format!(
        "{} {} {} {task}: {} ms, {} inputs/s",
        row.device,
        row.dtype.name(),
        row.case,
        figures(row.times.median_ms),
        figures(row.inputs_per_s)
    );
    match peer {
        None => own,
        Some(peer) => {
            format!("{own}; {} {} ms, ratio {}", peer.peer, figures(peer.peer_ms), figures(peer.ratio))
        }
    }
}
