# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# Booting a VM takes twenty seconds where it is emulated, so a new VM host goes on from a state that was saved when it had
# booted: its disk and its memory. Each host number has a state of its own, made when it is first wanted, so that no two
# hosts of a lab share the id of a boot or a machine. What differs from lab to lab, vm_introduce brings. Sourced by lab.

# vm_state HOST: prints the path of the folder with `disk` and `ram`.
vm_state() {
  local state accelerator recipe
  accelerator=$(vm_accelerator) || return
  # A real processor may lack what another one's state relies on.
  [ "$accelerator" = tcg ] || accelerator+=-$(grep -E '^(model name|flags)' /proc/cpuinfo | sort -u | sha256sum | cut -c1-12)
  recipe=$(cat "$HERE/vm.sh" "$HERE/vm_state.sh" | sha256sum | cut -c1-12)
  state=$(vm_image)-$recipe-$accelerator/$1
  cached "$state" build_vm_state || return
  printf '%s\n' "$state"
}

build_vm_state() {
  local work=$1 state=$2 host
  host=$(basename "$state" .partial)
  rm -rf "$state"
  mkdir "$state"
  unshare --mount --net "$SELF" _build vm_save "$host" "$work" "$(vm_image)"
  until_true 20 disk_is_free "$work/disk" || die "the disk of $host is still in use"
  mv "$work/disk" "$work/ram" "$state/"
}

# vm_save HOST FOLDER IMAGE: boots a VM in namespaces of this process, and leaves FOLDER/disk and FOLDER/ram.
vm_save() {
  local host=$1 at=$2 image=$3 told machine_PID
  local -a machine
  mkdir "$at/root"
  cp --sparse=always --reflink=auto "$image/disk" "$at/disk"
  mount -o loop,noatime "$at/disk" "$at/root"
  network_of_vm
  coproc machine { vm_emulate "$host" "$at" "$image"; }
  # shellcheck disable=SC2064 # the process of now
  trap "kill $machine_PID" EXIT
  qmp '{"execute": "qmp_capabilities"}'
  timeout 300 "$SELF" _build -- vm_ssh "$image" sh -c 'systemctl is-system-running --wait && sync'
  qmp '{"execute": "migrate-set-capabilities", "arguments": {"capabilities": [{"capability": "events", "state": true}]}}'
  # Not stopped before: the state knows whether it ran, and only one that ran goes on by itself.
  qmp '{"execute": "migrate", "arguments": {"uri": "exec:cat >/mnt/ram"}}'
  while read -r told; do
    case $told in *'"MIGRATION"'*'"completed"'*) qmp '{"execute": "quit"}' ;; esac
  done <&"${machine[0]}"
  trap - EXIT
  umount "$at/root"
}

# qmp ORDER…: to the emulator that the caller has started as `machine`.
qmp() { printf '%s\n' "$@" >&"${machine[1]}"; }

# The accelerator that works here. That there is a /dev/kvm says little, so a kernel is started with it, once in a boot
# of this machine.
vm_accelerator() {
  local verdict boot_id
  read -r boot_id </proc/sys/kernel/random/boot_id
  verdict=$CACHE/accelerator-$boot_id
  cached "$verdict" build_accelerator || return
  cat "$verdict"
}

build_accelerator() {
  rm -f "$CACHE"/accelerator-*
  if [ -c /dev/kvm ] && unshare --mount "$SELF" _build vm_starts_with_kvm; then echo kvm; else echo tcg; fi >"$2"
}

vm_starts_with_kvm() {
  local emulator
  emulator=$(emulator)
  mount --rbind /dev "$emulator/dev"
  mount --bind "$(vm_image)" "$emulator/srv"
  timeout --kill-after=1 10 chroot "$emulator" /usr/bin/qemu-system-x86_64 -nodefaults -display none -serial stdio \
    -no-reboot "${KVM[@]}" -m 256 -kernel /srv/vmlinuz -initrd /srv/initrd -append 'console=ttyS0 panic=-1 lab.probe' \
    </dev/null | grep 'lab: this kernel runs'
}
