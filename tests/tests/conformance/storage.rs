//! What every storage must do with its volumes.

use anyhow::ensure;
use vsjob_workers::storage::STORAGES;
use vsjob_workers::{Capability, Driver, Script};

use crate::{Bench, MOMENT};

/// Runs a text with the functions of a storage on the host of the bench, and answers what it says. `$1` is the name of a
/// volume that no other test has.
async fn run(bench: &Bench, storage: &Driver, text: &str) -> anyhow::Result<String> {
    let host = bench.pool.host(&bench.ground.host())?;
    // The shell does not end at a negated command.
    let script = Script::compose("test", &[storage.library, "no() { ! \"$@\"; }"], text);
    let args = vec![format!("{}-{}", bench.file, storage.name)];
    let answer = host
        .ask(vsjob_workers::Question::read(script, args, MOMENT))
        .await?;
    ensure!(answer.code == 0, "{}: {text}: {answer:?}", storage.name);
    let said = answer.stdout.whole().unwrap_or_default();
    Ok(String::from_utf8_lossy(said).into_owned())
}

async fn on_each(bench: &Bench, text: &str) -> anyhow::Result<()> {
    for storage in STORAGES {
        run(bench, storage, text).await?;
    }
    Ok(())
}

pub(crate) async fn a_volume_is_made_renamed_and_removed_from_any_half_way_point(
    bench: &Bench,
) -> anyhow::Result<()> {
    on_each(
        bench,
        r#"
        no volume_exists "$1"
        for time in first again; do
            volume_create "$1"
            volume_exists "$1"
            volume_is_own "$1"
        done
        echo x >"$(volume_path "$1")/file"
        for time in first again; do
            volume_rename "$1" "$1.b"
            no volume_exists "$1"
            volume_is_own "$1.b"
        done
        [ "$(cat "$(volume_path "$1.b")/file")" = x ]
        for time in first again; do
            volume_delete "$1.b"
            no volume_exists "$1.b"
        done"#,
    )
    .await
}

pub(crate) async fn a_volume_is_removed_with_all_that_is_in_it(bench: &Bench) -> anyhow::Result<()> {
    on_each(
        bench,
        r#"
        volume_create "$1"
        tree=$(volume_path "$1")
        mkdir -p "$tree/a/b"
        echo x >"$tree/a/b/file"
        echo kept >"$R/root/$1"
        ln -s "$R/root" "$tree/a/out"
        chmod 0 "$tree/a/b"
        volume_delete "$1"
        no volume_exists "$1"
        [ "$(cat "$R/root/$1")" = kept ]
        rm "$R/root/$1""#,
    )
    .await
}

pub(crate) async fn what_leads_elsewhere_is_no_volume(bench: &Bench) -> anyhow::Result<()> {
    on_each(
        bench,
        r#"
        volume_shelter
        ln -s "$R/root" "$volumes/$1"
        no volume_exists "$1"
        no volume_is_own "$1"
        rm "$volumes/$1""#,
    )
    .await
}

pub(crate) async fn a_name_that_is_taken_is_not_taken_again(bench: &Bench) -> anyhow::Result<()> {
    on_each(
        bench,
        r#"
        volume_create "$1"
        volume_create "$1.b"
        echo x >"$(volume_path "$1.b")/file"
        code=0
        (volume_rename "$1" "$1.b") 2>/dev/null || code=$?
        [ "$code" = 78 ]
        volume_exists "$1"
        [ -e "$(volume_path "$1.b")/file" ]
        volume_delete "$1"
        volume_delete "$1.b""#,
    )
    .await
}

pub(crate) async fn a_snapshot_stands_still_where_there_can_be_one(bench: &Bench) -> anyhow::Result<()> {
    for storage in STORAGES {
        if !storage.can.contains(&Capability::Snapshot) {
            continue;
        }
        let text = r#"
            volume_create "$1"
            echo before >"$(volume_path "$1")/file"
            volume_snapshot "$1" "$1.b"
            echo after >"$(volume_path "$1")/file"
            [ "$(cat "$(volume_path "$1.b")/file")" = before ]
            volume_snapshot "$1" "$1.b"
            [ "$(cat "$(volume_path "$1.b")/file")" = after ]
            volume_delete "$1.b"
            volume_delete "$1""#;
        run(bench, storage, text).await?;
    }
    Ok(())
}

pub(crate) async fn what_there_is_and_what_is_free_is_told_in_bytes(bench: &Bench) -> anyhow::Result<()> {
    for storage in STORAGES {
        let text = r#"
            volume_create "$1"
            head -c 1000000 /dev/urandom >"$(volume_path "$1")/file"
            sync -f "$(volume_path "$1")"
            volume_foreign "$1"
            echo "$(volume_used "$1") $(volume_free) $foreign"
            volume_delete "$1""#;
        let said = run(bench, storage, text).await?;
        let numbers: Vec<u64> = said
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        ensure!(
            matches!(numbers[..], [used, free] if used >= 1_000_000 && free > used),
            "{}: {said}",
            storage.name
        );
    }
    Ok(())
}

pub(crate) async fn what_somebody_removes_while_it_is_made_durable_is_no_failure_and_anything_else_is(
    bench: &Bench,
) -> anyhow::Result<()> {
    on_each(
        bench,
        r#"
        folder=$(volume_path "$1.durable")
        mkdir -p "$folder/shared"
        # Another job is quicker, once.
        sync() { rm -rf "$folder/shared"; command sync "$@" 2>/dev/null; }
        durable "$folder/shared/link"
        mkdir "$folder/shared"
        durable "$folder/shared"
        sync() { return 1; }
        no durable "$folder"
        rm -r "$folder""#,
    )
    .await
}
