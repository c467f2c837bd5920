//! What every storage must do with its volumes.

use std::time::Duration;

use anyhow::ensure;
use vsjob_workers::{Capability, Driver, Script};

use crate::Bench;

/// A processor that is emulated takes a second for what LVM does.
const EMULATED: Duration = Duration::from_secs(300);

/// Runs a text with the functions of a storage on the host of the bench, and answers what it says. `$1` is the name of a
/// volume that no other test has.
async fn run(bench: &Bench, storage: &Driver, text: &str) -> anyhow::Result<String> {
    let host = bench.pool.host(&bench.ground.host())?;
    // The shell does not end at a negated command.
    let script = Script::compose("test", &[storage.library, "no() { ! \"$@\"; }"], text);
    let args = vec![format!("{}-{}", bench.file, storage.name)];
    let answer = host
        .ask(vsjob_workers::Question::read(script, args, EMULATED))
        .await?;
    ensure!(answer.code == 0, "{}: {text}: {answer:?}", storage.name);
    let said = answer.stdout.whole().unwrap_or_default();
    Ok(String::from_utf8_lossy(said).into_owned())
}

async fn on_each(bench: &Bench, text: &str) -> anyhow::Result<()> {
    for storage in &bench.storages {
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
    for storage in &bench.storages {
        if !storage.can.contains(&Capability::Snapshot) {
            continue;
        }
        let text = r#"
            volume_create "$1"
            echo before >"$(volume_path "$1")/file"
            volume_snapshot "$1" .vsjob-0-1
            echo after >"$(volume_path "$1")/file"
            [ "$(cat "$(volume_path .vsjob-0-1)/file")" = before ]
            volume_snapshot "$1" .vsjob-0-1
            [ "$(cat "$(volume_path .vsjob-0-1)/file")" = after ]
            # On paper nothing is read only.
            [ -n "$R" ] || no touch "$(volume_path .vsjob-0-1)/file" 2>/dev/null
            volume_delete .vsjob-0-1
            volume_delete "$1""#;
        run(bench, storage, text).await?;
    }
    Ok(())
}

pub(crate) async fn what_there_is_and_what_is_free_is_told_in_bytes(bench: &Bench) -> anyhow::Result<()> {
    for storage in &bench.storages {
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
        folder=$R/root/$1.durable
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

pub(crate) async fn what_a_storage_has_answered_outlives_a_power_cut(bench: &Bench) -> anyhow::Result<()> {
    for storage in &bench.storages {
        let pictured = storage.can.contains(&Capability::Snapshot);
        let text = r#"
            volume_create "$1"
            volume_create "$1-before"
            echo kept >"$(volume_path "$1")/file"
            durable "$(volume_path "$1")/file""#;
        run(bench, storage, text).await?;
        if pictured {
            let text = r#"
                volume_snapshot "$1" .vsjob-0-1
                volume_snapshot "$1" .vsjob-0-2
                durable_tree "$volumes"
                volume_delete .vsjob-0-2"#;
            run(bench, storage, text).await?;
        }
        run(bench, storage, "volume_rename \"$1-before\" \"$1-after\"").await?;
        bench.ground.power_cut()?;
        bench.ground.boot()?;
        let text = r#"
            [ "$(cat "$(volume_path "$1")/file")" = kept ]
            volume_list | grep -qx "$1"
            volume_delete "$1""#;
        if pictured {
            // Whoever relies on it does not ask for its path.
            let command = r#"
                sh -c "$(volume_command .vsjob-0-1)"
                [ "$(cat "$volumes/.vsjob-0-1/file")" = kept ]
                volume_list | grep -qx .vsjob-0-1
                ! volume_exists .vsjob-0-2
                volume_delete .vsjob-0-1"#;
            run(bench, storage, command).await?;
        }
        run(bench, storage, text).await?;
        let text = r#"
            ! volume_exists "$1-before"
            volume_exists "$1-after"
            volume_delete "$1-after""#;
        run(bench, storage, text).await?;
    }
    Ok(())
}

pub(crate) async fn a_volume_grows_to_its_limit(bench: &Bench) -> anyhow::Result<()> {
    for storage in &bench.storages {
        let text = r#"
            volume_create "$1" 1000 600
            for time in first again; do volume_limit "$1" 700; done
            volume_most "$1"
            volume_limit "$1" 300
            echo " $(volume_most "$1")"
            volume_delete "$1""#;
        let said = run(bench, storage, text).await?;
        let has_size = storage.name == "lvm" || storage.name == "lvm-thin";
        let most = if has_size { "700 700\n" } else { "0 0\n" };
        ensure!(said == most, "{}: {said}", storage.name);
    }
    Ok(())
}

/// What changes in its origin has room there before the snapshot is full: it is given more.
async fn a_thick_snapshot_grows_before_it_is_full(bench: &Bench) -> anyhow::Result<()> {
    for storage in bench.storages.iter().filter(|storage| storage.name == "lvm") {
        let text = r#"
            volume_create "$1" 0 600
            volume_snapshot "$1" .vsjob-0-1
            # Two thirds of what it begins with.
            for piece in 1 2 3 4; do
                head -c 20000000 /dev/urandom >"$(volume_path "$1")/$piece"
                sync -f "$(volume_path "$1")"
            done
            turns=600
            until volume_find .vsjob-0-1 && [ "$volume_bytes" -gt 130000000 ]; do
                [ "$turns" -gt 0 ]
                turns=$((turns - 1))
                sleep 0.1
                unset volume_known
            done
            volume_sound .vsjob-0-1
            volume_delete .vsjob-0-1
            volume_delete "$1""#;
        run(bench, storage, text).await?;
    }
    Ok(())
}

/// All that volumes do.
pub(crate) async fn all(bench: &Bench) -> anyhow::Result<()> {
    a_volume_is_made_renamed_and_removed_from_any_half_way_point(bench).await?;
    a_volume_is_removed_with_all_that_is_in_it(bench).await?;
    what_leads_elsewhere_is_no_volume(bench).await?;
    a_name_that_is_taken_is_not_taken_again(bench).await?;
    what_there_is_and_what_is_free_is_told_in_bytes(bench).await?;
    what_a_storage_has_answered_outlives_a_power_cut(bench).await?;
    what_file_systems_differ_in(bench).await
}

/// What is made, mounted, pictured and grown in another way in each.
pub(crate) async fn what_file_systems_differ_in(bench: &Bench) -> anyhow::Result<()> {
    a_snapshot_stands_still_where_there_can_be_one(bench).await?;
    a_thick_snapshot_grows_before_it_is_full(bench).await?;
    a_volume_grows_to_its_limit(bench).await
}
