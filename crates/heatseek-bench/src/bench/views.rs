//! The report for people: tables in a terminal, and the same as Markdown with charts.

use std::fmt::Write;

use super::report::{Absent, DeviceRun, Report, Row};
use super::table::{Table, figures};

/// For terminals.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", environment(report));
    for (title, table) in tables(report) {
        if !table.is_empty() {
            let _ = writeln!(text, "{title}\n{}", table.text());
        }
    }
    for (title, absent) in lists(report) {
        for one in absent {
            let _ = writeln!(text, "{title}: {one}");
        }
    }
    text
}

/// For readers; `charts` are files beside it.
pub fn markdown(report: &Report, charts: &[&str]) -> String {
    let mut text = format!("# {} on this machine\n\n{}\n", report.model.name, environment(report));
    for name in charts {
        let _ = writeln!(text, "\n![{}]({name})", name.trim_end_matches(".svg"));
    }
    for (title, table) in tables(report) {
        if !table.is_empty() {
            let _ = writeln!(text, "\n## {title}\n\n{}", table.markdown().trim_end());
        }
    }
    for (title, absent) in lists(report) {
        if !absent.is_empty() {
            let _ = writeln!(text, "\n## {title}\n");
        }
        for one in absent {
            let _ = writeln!(text, "- {one}");
        }
    }
    text
}

fn lists(report: &Report) -> [(&'static str, &[Absent]); 2] {
    [("Refused", &report.refused), ("Missing", &report.missing)]
}

fn environment(report: &Report) -> String {
    let env = &report.environment;
    let weights = if report.model.synthetic { "random weights" } else { "its own weights" };
    let mut text = format!(
        "{}, {weights}, {:.1} M parameters; heatseek {}{}{}, {}, {}, {} cores, {} threads, load {}, {}.",
        report.model.name,
        report.model.parameters as f64 / 1e6,
        env.heatseek,
        env.commit.as_ref().map(|commit| format!(" at {commit}")).unwrap_or_default(),
        if env.optimised { "" } else { " (unoptimised build)" },
        env.os,
        env.cpu.as_deref().unwrap_or(env.arch),
        env.cores,
        env.threads,
        env.load_average.map(figures).unwrap_or_else(|| "unknown".into()),
        env.date.as_deref().unwrap_or("no date")
    );
    if let Some(bytes) = report.peak_resident_bytes {
        let _ = write!(text, " The process held {:.0} MiB at most.", bytes as f64 / f64::from(1 << 20));
    }
    if env.is_busy() {
        text.push_str(
            " The machine was busy in the minute before: if others go on computing, times are too long, those of \
             peers whose threads spin most of all, and ratios mislead.",
        );
    }
    for device in &report.devices {
        let DeviceRun { device, dtype, name, backend, kernels, .. } = device;
        let _ = write!(text, " {device} {}: {name}, {backend}, {kernels}.", dtype.name());
    }
    for peer in &report.peers {
        let _ = write!(
            text,
            " {} {}: {} on {}.",
            peer.about.name,
            peer.dtype.name(),
            peer.about.version,
            peer.about.device
        );
    }
    text
}

fn tables(report: &Report) -> Vec<(String, Table)> {
    let mut all = vec![
        (
            "Times: milliseconds, median of n [least, most]; a ratio above 1 is a slower peer".to_owned(),
            times(report),
        ),
        ("From a folder to the first vector: milliseconds".to_owned(), cold_starts(report)),
        ("Ceilings of our own kernels".to_owned(), ceilings(report)),
        (
            "What 100 % of peak is: the best rate of all that was measured on the device".to_owned(),
            peaks(report),
        ),
    ];
    for device in &report.devices {
        let case = device.ops_case.map(|case| format!(", first run of {case}")).unwrap_or_default();
        all.push((format!("Op by op: {} {}{case}", device.device, device.dtype.name()), ops(device)));
    }
    all
}

fn times(report: &Report) -> Table {
    let header = [
        "device",
        "dtype",
        "case",
        "task",
        "peer",
        "ms",
        "device ms",
        "n",
        "tokenise",
        "inputs/s",
        "tokens/s",
        "GFLOP/s",
        "peak",
        "cosine",
        "peer ms",
        "ratio",
    ];
    let mut table = Table::new(5, &header);
    report.rows.iter().for_each(|row| table.push(cells(row)));
    table
}

fn cells(row: &Row) -> Vec<String> {
    let spread =
        |median: f64, min: f64, max: f64| format!("{} [{}, {}]", figures(median), figures(min), figures(max));
    let peer = row.peer.as_ref();
    vec![
        row.device.clone(),
        row.dtype.name().to_owned(),
        row.case.to_string(),
        row.task.name().replace('_', " "),
        peer.map(|peer| peer.peer.clone()).unwrap_or_default(),
        spread(row.times.median_ms, row.times.min_ms, row.times.max_ms),
        row.device_ms.map(figures).unwrap_or_default(),
        row.times.n.to_string(),
        row.tokenise_ms.map(figures).unwrap_or_default(),
        figures(row.inputs_per_s),
        figures(row.tokens_per_s),
        figures(row.gflops),
        row.share_of_peak.map(|share| format!("{:.0} %", 100.0 * share)).unwrap_or_default(),
        format!("{:.7}", row.cosine_to_reference),
        peer.map(|peer| spread(peer.peer_ms, peer.peer_min_ms, peer.peer_max_ms)).unwrap_or_default(),
        peer.map(|peer| spread(peer.ratio, peer.ratio_min, peer.ratio_max)).unwrap_or_default(),
    ]
}

fn cold_starts(report: &Report) -> Table {
    let header =
        ["device", "dtype", "files", "open and read", "weights and kernels", "self-check", "first run"];
    let mut table = Table::new(2, &header);
    for run in &report.devices {
        let cold = run.cold_start;
        let [files, read, first] = [cold.files_ms, cold.read_ms, cold.first_run_ms].map(Some);
        let spans = [files, read, cold.prepare_ms, cold.self_check_ms, first];
        let mut cells = vec![run.device.clone(), run.dtype.name().to_owned()];
        cells.extend(spans.map(|span| span.map(figures).unwrap_or_default()));
        table.push(cells);
    }
    table
}

fn ceilings(report: &Report) -> Table {
    let mut table = Table::new(2, &["device", "dtype", "threads", "GEMM GFLOP/s", "of", "copy GB/s"]);
    let all = report.devices.iter().flat_map(|run| run.ceilings.iter().map(move |one| (run, one)));
    for (run, ceilings) in all {
        table.push(vec![
            run.device.clone(),
            run.dtype.name().to_owned(),
            ceilings.threads.map(|threads| threads.to_string()).unwrap_or_default(),
            figures(ceilings.gemm_gflops),
            format!("{0} × {0} × {0}", ceilings.gemm_size),
            figures(ceilings.copy_gb_per_s),
        ]);
    }
    table
}

fn peaks(report: &Report) -> Table {
    let mut table = Table::new(3, &["device", "dtype", "of", "GFLOP/s"]);
    for run in &report.devices {
        if let Some(peak) = &run.peak {
            let name = run.dtype.name().to_owned();
            table.push(vec![run.device.clone(), name, peak.of.clone(), figures(peak.gflops)]);
        }
    }
    table
}

fn ops(run: &DeviceRun) -> Table {
    let mut table = Table::new(1, &["op", "count", "flops", "MFLOP", "MB", "ms", "time", "GFLOP/s"]);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    for row in &run.ops {
        table.push(vec![
            row.op.clone(),
            row.count.to_string(),
            percent(row.share_of_flops),
            figures(row.flops as f64 / 1e6),
            figures(row.bytes as f64 / 1e6),
            row.ms.map(figures).unwrap_or_default(),
            row.share_of_time.map(percent).unwrap_or_default(),
            row.gflops.map(figures).unwrap_or_default(),
        ]);
    }
    table
}
