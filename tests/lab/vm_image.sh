# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# What VM hosts are made of, made once and cached: an emulator, a kernel with what starts it, and a disk. The emulator
# is not this machine's: a tree of its own, run in chroot, works beside whatever the machine has installed. Sourced by
# lab.

readonly VM_PACKAGES=$HOST_PACKAGES,udev,lvm2,thin-provisioning-tools,xfsprogs,e2fsprogs
readonly VM_POOL_SIZE=12G
# Enough for both disks, each of them full.
readonly VM_DISK_SIZE=32G
# What the kernel must have to find its root; what they depend on comes by itself.
readonly VM_FIRST_MODULES='virtio_ring virtio_pci virtio_blk virtio_net virtio_rng btrfs'

vm_recipe_hash() { cat "$HERE/image.sh" "$HERE/vm_image.sh" "$HERE/vm-init" "$HERE/vm-network" | sha256sum | cut -c1-12; }

# emulator: prints the path of the tree with the emulator, the kernel and a busybox.
emulator() {
  local tree
  tree=$CACHE/emulator-$(recipe_hash)
  cached "$tree" build_emulator || return
  printf '%s\n' "$tree"
}

# vm_image: prints the path of the folder with `disk`, `vmlinuz`, `initrd` and the keys of the console.
vm_image() {
  local image
  emulator >/dev/null || return
  image=$CACHE/vm-$(vm_recipe_hash)
  cached "$image" build_vm_image || return
  printf '%s\n' "$image"
}

# Unpacked and never installed: no script of a package runs, and what they would set up is not needed.
build_emulator() {
  local work=$1 tree=$2
  rm -rf "$tree"
  debian_tree "$work" "$tree" extract qemu-system-x86,linux-image-cloud-amd64,busybox-static
  ln -s busybox "$tree/bin/sh"
  mkdir -p "$tree"/{mnt,srv,opt,tmp}
}

build_vm_image() {
  local work=$1 image=$2 tree=$1/tree emulator kernel
  emulator=$(emulator)
  kernel=$(basename "$emulator"/lib/modules/*)
  rm -rf "$image"
  mkdir "$image"
  debian_tree "$work" "$tree" essential "$VM_PACKAGES"
  host_tree_configure "$tree"
  cp -a "$emulator/lib/modules" "$tree/usr/lib/"
  chroot "$tree" depmod "$kernel"
  ssh-keygen -q -t ed25519 -N '' -C 'lab console' -f "$image/console"
  vm_tree_configure "$tree" "$image/console.pub"
  cp "$emulator/boot/vmlinuz-$kernel" "$image/vmlinuz"
  vm_initrd "$tree" "$kernel" "$emulator/bin/busybox" "$image/initrd"
  vm_disk "$tree" "$image/disk"
}

vm_initrd() {
  local tree=$1 kernel=$2 busybox=$3 initrd=$4 root=$1.initrd file number=100
  mkdir -p "$root"/{bin,dev,proc,root,modules}
  cp "$busybox" "$root/bin/busybox"
  install -m 755 "$HERE/vm-init" "$root/init"
  # shellcheck disable=SC2086 # a list of words
  chroot "$tree" modprobe --set-version "$kernel" --show-depends --all $VM_FIRST_MODULES |
    awk '/^insmod/ && !seen[$2]++ { print $2 }' >"$root.list"
  while read -r file; do
    number=$((number + 1))
    cp "$tree/$file" "$root/modules/$number-${file##*/}"
  done <"$root.list"
  chroot "$root" /bin/busybox --install -s /bin
  (cd "$root" && find . | bin/busybox cpio -o -H newc) >"$initrd"
}

# The disks of a VM are files, `root` and `pool`, in a file system that is the host's disk for the lab: there, a flush
# of the VM becomes a flush of this file system, and what was not flushed is lost with the power as on fast hosts. (Were
# the VM given the loop device itself: shrinking it flushes first what was written to it.)
vm_disk() {
  local tree=$1 disk=$2
  truncate -s "$VM_DISK_SIZE" "$disk"
  mkfs.btrfs -q --label vsjob-lab "$disk"
  mkdir "$tree.disk"
  unshare --mount "$SELF" _build vm_disk_fill "$tree" "$disk" "$tree.disk"
}

vm_disk_fill() {
  local tree=$1 disk=$2 mounted=$3
  mount -o loop,noatime,compress-force=zstd:9 "$disk" "$mounted"
  # Compressed once, outside, where it is not an emulated processor that unpacks it.
  host_disk "$tree" "$mounted/root" compress=no
  truncate -s "$VM_POOL_SIZE" "$mounted/pool"
  umount "$mounted"
}

vm_tree_configure() {
  local tree=$1 key=$2 units=$1/etc/systemd/system unit
  install -D -m 755 "$HERE/vm-network" "$tree/usr/local/lib/lab/network"
  # The console is an sshd under another name, so that what befalls the host's sshd does not befall it.
  cp "$tree/usr/sbin/sshd" "$tree/usr/local/sbin/lab-console"
  install -D -m 600 "$key" "$tree/etc/lab-console/authorized_keys"
  ssh-keygen -q -t ed25519 -N '' -f "$tree/etc/lab-console/host_key"
  # sshd does not start without a key; the host's own one comes with its identity.
  ssh-keygen -q -t ed25519 -N '' -C 'no host yet' -f "$tree/etc/ssh/ssh_host_ed25519_key"
  cat >"$tree/etc/lab-console/sshd_config" <<'END'
Port 2222
ListenAddress 192.168.77.2
HostKey /etc/lab-console/host_key
AuthorizedKeysFile /etc/lab-console/authorized_keys
PidFile none
UseDNS no
MaxStartups 200
MaxSessions 200
END
  cat >"$units/lab-network.service" <<'END'
[Unit]
Description=The network of a lab host
Wants=network.target
Before=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/lab/network

[Install]
WantedBy=multi-user.target
END
  cat >"$units/lab-console.service" <<'END'
[Unit]
Description=The way of the lab into its host
Requires=lab-network.service
After=lab-network.service

[Service]
Type=notify
ExecStart=/usr/local/sbin/lab-console -D -f /etc/lab-console/sshd_config
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
Restart=always

[Install]
WantedBy=multi-user.target
END
  cat >"$units/lab-ready.service" <<'END'
[Unit]
Description=Tells the lab that the host is ready, by the id of its boot
After=ssh.service lab-console.service
ConditionPathExists=/root/.ssh/authorized_keys

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'cat /proc/sys/kernel/random/boot_id >/dev/ttyS1'

[Install]
WantedBy=multi-user.target
END
  # Half of an emulated boot, for what nobody uses here; and the devices that udev knows without being told of them again.
  for unit in e2scrub_reap.service systemd-{sysusers,binfmt,random-seed,update-utmp,pstore}.service \
    modprobe@{configfs,drm,efi_pstore}.service {dev-hugepages,dev-mqueue,sys-kernel-{debug,tracing,config}}.mount \
    proc-sys-fs-binfmt_misc.automount; do
    ln -s /dev/null "$units/$unit"
  done
  mkdir "$units/systemd-udev-trigger.service.d"
  cat >"$units/systemd-udev-trigger.service.d/lab.conf" <<'END'
[Service]
ExecStart=
ExecStart=udevadm trigger --action=add --subsystem-match=block --subsystem-match=net --subsystem-match=misc
END
  # Both sshd want /run/sshd, and neither takes it with it.
  mkdir "$units/ssh.service.d"
  printf '[Service]\nRuntimeDirectoryPreserve=yes\n' >"$units/ssh.service.d/lab.conf"
  chroot "$tree" systemctl --quiet enable lab-network.service lab-console.service lab-ready.service
}
