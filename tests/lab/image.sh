# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# What is made once and cached: the hosts' disk image and the guest templates. Packages come from the
# Debian archive that this machine itself uses. A cached file carries the hash of its recipe, so a
# changed recipe makes a new one. Sourced by lab.

readonly HOST_PACKAGES=systemd,systemd-sysv,dbus,openssh-server,rsync,systemd-container,btrfs-progs,nftables,iproute2,iputils-arping,iputils-ping,procps,util-linux,kmod,zstd
readonly HOST_DISK_SIZE=16G

recipe_hash() { sha256sum <"$HERE/image.sh" | cut -c1-12; }

# base_image: prints the path of the hosts' disk image, built if it is not cached.
base_image() {
  local image
  image=$CACHE/host-$(recipe_hash).btrfs
  cached "$image" build_base_image || return
  printf '%s\n' "$image"
}

# cached FILE BUILDER: run the builder with a partial name unless FILE exists; one builder at a time.
cached() {
  local file=$1 builder=$2
  [ ! -e "$file" ] || return 0
  mkdir -p "${file%/*}"
  (
    flock 9
    [ ! -e "$file" ] || exit 0
    command -v mmdebstrap >/dev/null || needs mmdebstrap
    say "building ${file##*/}, once"
    work=$(mktemp -d "$CACHE/build.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$work'" EXIT
    # In a process of its own: in this one's `||` bash would go on after a command of the builder that failed.
    "$SELF" _build "$builder" "$work" "$file.partial" >"$CACHE/build.log" 2>&1 || die "it failed: $CACHE/build.log"
    mv "$file.partial" "$file"
  ) 9>"$CACHE/lock"
}

# debian_tree WORK TARGET VARIANT PACKAGES: a Debian tree as this machine's own release and archive.
debian_tree() {
  local work=$1 target=$2 variant=$3 packages=$4 release
  release=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
  # shellcheck disable=SC2016 # apt's own fields
  apt-get indextargets --format \
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' >"$work/sources.list"
  [ -s "$work/sources.list" ] || { echo 'apt knows no Debian archive here; apt-get update?'; return 1; }
  apt-config dump | grep -E '^Acquire::(http|https|Check|Retries)' >"$work/apt.conf" || true
  mmdebstrap --mode=root --variant="$variant" --aptopt="$work/apt.conf" --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/i18n/*' \
    "$release" "$target" "$work/sources.list"
  # Nothing of this machine's archive goes into a tree.
  rm -f "$target/etc/apt/sources.list" "$target"/etc/apt/apt.conf.d/99mmdebstrap "$target"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
  : >"$target/etc/machine-id"
  rm -f "$target/etc/resolv.conf" "$target/etc/hostname" "$target"/var/lib/dbus/machine-id
}

build_base_image() {
  local work=$1 image=$2
  debian_tree "$work" "$work/tree" essential "$HOST_PACKAGES"
  host_tree_configure "$work/tree"
  # Compressed here, and never again: hosts mount it without, but every copy of the image is small.
  host_disk "$work/tree" "$image" compress-force=zstd:9
}

# host_disk TREE IMAGE OPTION: a host's disk with that tree on it, written with that mount option.
host_disk() {
  local tree=$1 image=$2 option=$3 mounted=$1.mounted
  mkdir "$mounted"
  rm -f "$image"
  truncate -s "$HOST_DISK_SIZE" "$image"
  mkfs.btrfs -q --label vsjob-lab "$image"
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount bash -euc '
    mount -o "loop,noatime,$4" "$1" "$2"
    btrfs subvolume create "$2/host"
    rm -rf "$3/var/lib/machines"
    tar -C "$3" --numeric-owner --xattrs --acls -cf - . | tar -C "$2/host" --numeric-owner --xattrs --acls -xpf -
    btrfs subvolume create "$2/host/var/lib/machines"
    chmod 700 "$2/host/var/lib/machines"
    btrfs subvolume set-default "$2/host"
    umount "$2"' bash "$image" "$mounted" "$tree" "$option"
}

host_tree_configure() {
  local tree=$1 unit
  rm -f "$tree"/etc/ssh/ssh_host_*
  cat >"$tree/etc/ssh/sshd_config.d/lab.conf" <<'END'
# Debian's defaults, but many tests may knock at once.
HostKey /etc/ssh/ssh_host_ed25519_key
MaxStartups 200
UseDNS no
END
  mkdir -p "$tree/etc/systemd/nspawn"
  # A lab is made and thrown away: nothing periodic, no login on a console that nobody sees.
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    systemd-networkd-wait-online.service console-getty.service getty.target systemd-firstboot.service; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
  done
  ln -sf /lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
}
