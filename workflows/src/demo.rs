//! `demo`: a job on a folder of the master, for trying by hand and in tests what a crash does to a job. A book is taken
//! from a shelf and published; whatever happens, there is always exactly one book, on the shelf or published.
//!
//! The folder is `demo/JOB` in the master's own folder. The job waits until there is a file `go` in it.

use vsjob_engine::UndoKind::{Cleaning, Gating};

use crate::actions::demo::{AwaitGo, Borrow, Folder, Prepare, Publish, Tidy};
use crate::{Operation, Parameter, Planned, Planner, Reading, Refusal, Site};

pub(crate) const OPERATION: Operation = Operation {
    name: "demo",
    summary: "take a book from a shelf on the master and publish it: try here what a crash does to a job",
    parameters: &[
        Parameter::switch("no-wait", "do not wait for the file `go` before publishing"),
        Parameter::optional(
            "fail-at",
            "N",
            "let step N fail, with its effect made, so that the job unwinds",
        ),
    ],
    all: None,
    plan,
};

fn plan(request: &Reading<'_>, site: &Site) -> Result<Planned, Refusal> {
    let fail_at: Option<u16> = request.optional("fail-at")?;
    let no_wait = request.switch("no-wait")?;
    let folder = Folder::of(&site.state).map_err(|why| Refusal::bad("fail-at", &why))?;

    let mut p = Planner::default();
    let mut no = 0;
    let mut fails = || {
        no += 1;
        fail_at == Some(no)
    };
    p.here(Prepare {
        folder: folder.clone(),
        fails: fails(),
    })
    .undo(Cleaning);
    p.here(Borrow {
        folder: folder.clone(),
        fails: fails(),
    })
    .undo(Gating);
    if !no_wait {
        p.here(AwaitGo {
            folder: folder.clone(),
            fails: fails(),
        });
    }
    p.here(Publish {
        folder: folder.clone(),
        fails: fails(),
    })
    .pivot();
    p.here(Tidy {
        folder,
        fails: fails(),
    });

    Ok(Planned {
        plan: p.finish(),
        locks: vec![],
        title: "publish a book".to_owned(),
        not_before: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameters;

    fn planned(given: &[(&str, &str)]) -> Result<Planned, Refusal> {
        let given: Parameters = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let site = Site {
            state: "/state".into(),
            ..Site::default()
        };
        OPERATION.plan(&given, &site)
    }

    #[test]
    fn the_book_is_borrowed_before_it_is_published() {
        let plan = planned(&[]).unwrap().plan;
        plan.check().unwrap();
        let titles: Vec<_> = plan.steps.iter().map(|step| step.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "make a place for the book",
                "take the book from the shelf",
                "wait until told",
                "publish the book",
                "remove the empty shelf"
            ]
        );
        assert_eq!(plan.pivot().map(|no| no.0), Some(3));
    }

    #[test]
    fn a_wrong_parameter_is_refused_with_the_right_one() {
        let refusal = planned(&[("no-wiat", "true")]).unwrap_err();
        assert_eq!(refusal.code(), "VSJ0402");
        assert_eq!(refusal.hint(), "did you mean `no-wait`?");
        assert_eq!(planned(&[("fail-at", "x")]).unwrap_err().code(), "VSJ0404");
    }
}
