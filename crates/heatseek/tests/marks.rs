//! The moments that a call and a load tell of, to those who want to know and to nobody else.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use heatseek::{
    Cancelled, Control, DeviceChoice, EmbedOptions, LoadOptions, LocalFuture, Mark, Milestone, Model,
    ModelFiles, NoControl, Progress, block_on,
};

#[derive(Default)]
struct Watching {
    marks: RefCell<Vec<Mark>>,
    wanted: bool,
}

impl Control for Watching {
    fn progress(&self, _: Progress) {}

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn mark(&self, mark: Mark) {
        self.marks.borrow_mut().push(mark);
    }

    fn wants_marks(&self) -> bool {
        self.wanted
    }
}

#[test]
fn every_batch_is_prepared_computed_and_read_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models/bert-no-st");
    let texts: Vec<String> = (0..3).map(|n| format!("the bees dance, {n}")).collect();
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let reached = Rc::new(RefCell::new(Vec::new()));
        let told = reached.clone();
        let watch: heatseek::Watch = Rc::new(move |milestone| told.borrow_mut().push(milestone));
        let options = LoadOptions { device, watch: Some(watch), ..LoadOptions::default() };
        let files = ModelFiles::from_dir(&folder).unwrap();
        let Ok(model) = block_on(Model::load(files, options, &NoControl)) else {
            assert_eq!(device, DeviceChoice::Gpu, "there is always a CPU");
            eprintln!("no GPU: not tested");
            continue;
        };
        let milestones: &[Milestone] = match device {
            DeviceChoice::Gpu => &[Milestone::Opened, Milestone::Compiled, Milestone::Uploaded],
            _ => &[],
        };
        assert_eq!(*reached.borrow(), milestones);
        let watching = Watching { wanted: true, ..Watching::default() };
        let embed = |control: &dyn Control| block_on(model.embed(&texts, &EmbedOptions::default(), control));
        let watched = embed(&watching).unwrap();
        // All texts fit into one batch.
        assert_eq!(*watching.marks.borrow(), [Mark::Begun, Mark::Prepared, Mark::Computed, Mark::ReadBack]);
        assert_eq!(watched, embed(&NoControl).unwrap(), "asking changes no number");
        let unasked = Watching::default();
        embed(&unasked).unwrap();
        assert!(!unasked.marks.borrow().contains(&Mark::Computed), "nobody is made to wait for it unasked");
    }
}
