//! The crash and fault matrices of what makes and removes templates of a master, on paper hosts: whatever the moment of the
//! SIGKILL, and whatever goes wrong in a step, the template is there whole or not at all, and nothing else is.

use anyhow::ensure;
use vsjob_tests::figures;
use vsjob_tests::hosts::{World, Worlds};
use vsjob_tests::master::{self, Life, Report};
use vsjob_tests::matrix::{self, Share, Subject};

/// What is in the folder of templates.
fn templates(world: &dyn World) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(world.folder().join("state/templates"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

struct Remove;

impl Subject for Remove {
    fn begin(&self, world: &dyn World) -> anyhow::Result<Life> {
        let folder = world.folder().join("state/templates");
        std::fs::create_dir_all(&folder)?;
        for name in ["debian.tar", "debian.tar.zst", "other.tar"] {
            std::fs::write(folder.join(name), "an archive")?;
        }
        Ok(world.life("template-remove", &[("name", "debian")]))
    }

    fn is_done(&self, world: &dyn World, _: &Report) -> anyhow::Result<()> {
        let left = templates(world)?;
        ensure!(left == ["other.tar"], "{left:?}");
        Ok(())
    }

    fn is_as_before(&self, world: &dyn World, _: &Report) -> anyhow::Result<()> {
        let left = templates(world)?;
        ensure!(left == ["debian.tar", "debian.tar.zst", "other.tar"], "{left:?}");
        Ok(())
    }
}

#[test]
fn a_master() -> anyhow::Result<()> {
    master::serve_if_asked()
}

#[test]
fn a_removal_killed_at_every_durable_write_leaves_a_template_whole_or_gone() -> anyhow::Result<()> {
    let counts = matrix::crash_matrix(&Remove, &Worlds::Paper(1), Share::ALL)?;
    figures::tell(format_args!("template-remove: {counts}"));
    ensure!(counts.forward >= 6, "too few: {counts:?}");
    Ok(())
}
