//! Passes over the tree of a guest that runs, where there is no picture that stands still: whatever the guest does
//! meanwhile, the pass after its stop makes the copy right, and nothing of its host comes along.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use tempfile::TempDir;
use vsjob_tests::{compiler, needs};

/// What a host needs to read such a tree by the real sender, receiver and rsync; ssh alone is missing. `before_NUMBER` is
/// done when the rsync of that number begins.
const SENDER: &str = r#"
job=1f2e3d4c
transfer_folder "$job"
mkdir -p "$R/tree" "$R/copy" "$R/scratch" "$R/bin" "$R/proc/sys/kernel/random"
cp /proc/sys/kernel/random/boot_id "$R/proc/sys/kernel/random"
: >"$R/guest"
printf '%s\n' "$R/copy" >"$jobs/$job/into"
printf '%s\n' "$R/scratch" >"$jobs/$job/scratch"
transfer_receiver >"$jobs/$job/receive"
printf 'dir=%s guest=/proc/%s/ns/mnt\n' "$jobs/$job" "$$" >"$R/line"
cat >>"$R/line" <<-'END'
	shift
	echo begins >>"$dir/lines"
	before=$dir/before_$(wc -l <"$dir/lines")
	# The sender sees the tree read-only, and the guest does not.
	if [ -e "$before" ]; then nsenter --mount="$guest" sh -eu "$before" >&2 || exit; fi
	SSH_ORIGINAL_COMMAND="$*" exec sh "$dir/receive" "$dir"
END
transfer_shell="sh $R/line" transfer_target=target
transfer_with 0 no
PATH=$R/bin:$PATH
guest_processes() { cat "$R/guest"; }
pass() {
	# What was done before it is older than the kernel's clock stands still.
	sleep 0.1
	transfer_begins "$job"
	transfer_lives "$job" guest "$R/tree"
	transfer_send "$job" "$R/tree" 0 "a pass"
	case $transfer_exit in 0 | 24) ;; *) exit 1 ;; esac
	transfer_since "$job"
}
last_pass() {
	sleep 0.1
	unset transfer_live
	transfer_send "$job" "$R/tree" 0 "the last pass"
	[ "$transfer_exit" = 0 ] || exit 2
	diff -r --no-dereference "$R/tree" "$R/copy" >&2 || exit 9
	out copy right
}
"#;

/// Where nothing but a system call changes the times of a file: a write through a mapping never does.
const MEMORY: &str = "/dev/shm";

/// A host's root. `None`: this machine cannot, and this has said so.
fn host() -> anyhow::Result<Option<TempDir>> {
    if !rustix::process::geteuid().is_root() {
        needs::skip("root");
        return Ok(None);
    }
    if !Path::new(MEMORY).is_dir() {
        needs::skip(MEMORY);
        return Ok(None);
    }
    Ok(Some(tempfile::tempdir_in(MEMORY)?))
}

/// Runs a text on it.
fn run(host: &TempDir, text: &str) -> anyhow::Result<()> {
    const PRELUDE: &str = include_str!("../../workers/src/prelude.sh");
    const TRANSFER: &str = include_str!("../../workers/src/transfer.sh");
    let script = [PRELUDE, TRANSFER, SENDER, text].join("\n");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("R", host.path())
        .output()?;
    let right = output.status.success() && output.stdout == b"copy=right\n";
    ensure!(right, "{output:?}");
    Ok(())
}

#[test]
fn what_is_written_through_a_mapping_after_a_pass_is_in_the_copy() -> anyhow::Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lab/mapped.c");
    if !compiler::compile(&[], &source, &host.path().join("mapped"))? {
        return Ok(());
    }
    run(
        &host,
        r#"
        mkfifo "$R/asks" "$R/says"
        # By the name that it knows the file is not found.
        "$R/mapped" "$R/tree/file" <"$R/asks" >"$R/says" &
        printf '%s\n' "$!" >"$R/guest"
        exec 5>"$R/asks" 6<"$R/says"
        read -r _ <&6
        mv "$R/tree/file" "$R/tree/another"
        pass
        pass
        echo again >&5
        read -r _ <&6
        exec 5>&-
        wait
        : >"$R/guest"
        last_pass"#,
    )
}

#[test]
fn folders_that_change_places_and_back_within_a_pass_are_right_in_the_copy() -> anyhow::Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    run(
        &host,
        r#"
        for name in one other; do
            mkdir -p "$R/tree/$name/deep er"
            printf '%5s' "$name" | tee "$R/tree/$name/file" >"$R/tree/$name/deep er/-file"
            touch -d '2026-01-01 00:00:00' "$R/tree/$name/file" "$R/tree/$name/deep er/-file"
        done
        printf 'cd %s\nmv one third\nmv other one\nmv third other\n' "$R/tree" >"$R/exchange"
        # The pass sees nothing but the places that they have meanwhile, and no names of theirs that it had not seen.
        cp "$R/exchange" "$jobs/$job/before_1"
        printf '#!/bin/sh\nuntil [ -s %s ]; do :; done\nexec /usr/bin/find "$@"\n' "$jobs/$job/lines" >"$R/bin/find"
        chmod +x "$R/bin/find"
        pass
        sh "$R/exchange"
        last_pass"#,
    )
}

#[test]
fn what_vanishes_from_a_search_is_no_failure_of_a_pass_and_anything_else_is() -> anyhow::Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    run(
        &host,
        r#"
        rewrite() {
            echo "$1" >"$R/tree/file"
            touch -d '2026-01-01 00:00:00' "$R/tree/file"
        }
        misses() {
            printf '#!/bin/sh\n/usr/bin/find "$@"\necho "find: x: %s" >&2\nexit 1\n' "$1" >"$R/bin/find"
            chmod +x "$R/bin/find"
        }
        rewrite x
        pass
        rewrite y
        misses 'No such file or directory'
        pass
        [ "$(cat "$R/copy/file")" = y ]
        code=0
        (unset transfer_live; last_pass) || code=$?
        [ "$code" = 75 ]
        misses 'Input/output error'
        code=0
        (pass) || code=$?
        [ "$code" = 75 ]
        rm "$R/bin/find"
        last_pass"#,
    )
}

#[test]
fn a_link_in_place_of_a_folder_brings_nothing_of_the_host() -> anyhow::Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    run(
        &host,
        r#"
        mkdir -p "$R/tree/folder" "$R/secret"
        echo public >"$R/tree/folder/file"
        echo secret >"$R/secret/file"
        pass
        # As many bytes at the same time: only their content tells, which the second rsync of a pass compares.
        touch -r "$R/tree/folder/file" "$R/time"
        echo PUBLIC >"$R/tree/folder/file"
        touch -r "$R/time" "$R/tree/folder/file"
        printf 'cd %s\nmv folder moved\nln -s ../secret folder\n' "$R/tree" >"$jobs/$job/before_3"
        (pass) || true
        [ -L "$R/tree/folder" ]
        if grep -r secret "$R/copy" >&2; then exit 8; fi
        rm "$jobs/$job/before_3" "$R/tree/folder"
        mv "$R/tree/moved" "$R/tree/folder"
        pass
        last_pass"#,
    )
}

/// The master pulls, so it is not the job's own sender that reads.
#[test]
fn a_link_in_place_of_a_folder_leads_the_rsync_of_the_master_nowhere() -> anyhow::Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    run(
        &host,
        r#"
        mkdir "$R/secret" "$R/tree/real"
        echo secret >"$R/secret/file"
        echo public >"$R/tree/real/file"
        ln -s ../secret "$R/tree/folder"
        printf 'shift\nexec sh -c "$*"\n' >"$R/shell"
        transfer_reader "$job" "$R/tree"
        pull() {
            printf './folder/file\0./real/file\0' | rsync -aHAXS --from0 --files-from=- -e "sh $R/shell" --rsync-path="$1" \
                "host:$R/tree/" "$R/copy/" || true
        }
        pull rsync
        grep -qr secret "$R/copy" || exit 7
        rm -r "$R/copy"
        mkdir "$R/copy"
        pull "sh $jobs/$job/read"
        grep -qr public "$R/copy" || exit 8
        if grep -qr secret "$R/copy"; then exit 9; fi
        out copy right"#,
    )
}

#[test]
fn what_vanishes_is_no_failure_of_a_pass_and_is_one_of_the_last() -> anyhow::Result<()> {
    let Some(host) = host()? else { return Ok(()) };
    run(
        &host,
        r#"
        # The same bytes, as size and time tell.
        rewrite() {
            echo "$1" | tee "$R/tree/gone" >"$R/tree/stays"
            touch -d '2026-01-01 00:00:00' "$R/tree/gone" "$R/tree/stays"
        }
        rewrite x
        pass
        rewrite y
        printf 'rm %s\n' "$R/tree/gone" >"$jobs/$job/before_3"
        cat >"$R/bin/rsync" <<'END'
#!/bin/sh
/usr/bin/rsync "$@" || exit
case " $* " in
*" --server "* | *" --files-from="*) ;;
*) exit 24 ;;
esac
END
        chmod +x "$R/bin/rsync"
        pass
        [ "$(cat "$R/copy/stays")" = y ]
        rewrite z
        unset transfer_live
        transfer_send "$job" "$R/tree" 0 "the last pass"
        [ "$transfer_exit" = 24 ]
        rm "$R/bin/rsync"
        last_pass"#,
    )
}
