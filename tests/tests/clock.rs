//! The clock of a master as an administrator sees it.

use anyhow::ensure;
use vsjob_tests::program::Program;

#[test]
fn the_clock_is_shown_and_what_has_not_jumped_is_not_accepted() -> anyhow::Result<()> {
    let program = Program::new("", "")?;
    let _master = program.master()?;
    let shown = program.run(&["clock", "show"])?.ok()?;
    ensure!(
        shown.contains("by the master") && shown.contains("masters were up"),
        "{shown}"
    );
    let clock = program.run(&["clock", "show", "--json"])?.json()?;
    ensure!(
        clock["jump"].is_null() && clock["master"] == clock["wall"],
        "{clock}"
    );
    program
        .run(&["clock", "accept", "--reason", "to see"])?
        .refuses("VSJ0546", 4)
}
