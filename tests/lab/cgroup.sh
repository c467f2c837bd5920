# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# Control groups: all processes of a lab are in one group, all of a host in one below it. So two hosts'
# systemd never share a tree, and ending a host or a whole lab is one write that nothing escapes.
# Sourced by lab.

# Where groups can be made: every mounted hierarchy. cpuset wants masks before it takes a process, and
# no systemd uses it.
cgroup_hierarchies() {
  awk '/ - cgroup2? / && !/[ ,]cpuset/ { print $5 }' /proc/self/mountinfo
}

# The cgroup2 hierarchy: the one that can freeze and kill a group.
cgroup_unified() {
  local mount
  mount=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
  [ -n "$mount" ] && [ -w "$mount/cgroup.procs" ] || return 1
  printf '%s\n' "$mount"
}

# Moves the calling shell into a group, made if need be.
cgroup_enter() {
  local hierarchy
  for hierarchy in $(cgroup_hierarchies); do
    mkdir -p "$hierarchy/$1"
    echo "$BASHPID" >"$hierarchy/$1/cgroup.procs"
  done
}

# Back to where no lab's end can reach it.
cgroup_leave() {
  local hierarchy
  for hierarchy in $(cgroup_hierarchies); do
    echo "$BASHPID" >"$hierarchy/cgroup.procs"
  done
}

# Where this machine has cgroup2 alone, controllers are passed down explicitly.
cgroup_delegate() {
  local unified step controllers
  unified=$(cgroup_unified)
  controllers=$(sed 's/[a-z_]\+/+&/g' "$unified/cgroup.controllers")
  [ -n "$controllers" ] || return 0
  for step in . "$1"; do
    echo "$controllers" >"$unified/$step/cgroup.subtree_control" || true
  done 2>/dev/null
}

cgroup_is_empty() { [ ! -e "$1" ] || grep -qx 'populated 0' "$1/cgroup.events"; }

# Ends every process of a group, and returns when they are gone.
cgroup_kill() {
  local group
  group=$(cgroup_unified)/$1
  [ -d "$group" ] || return 0
  echo 0 >"$group/cgroup.freeze"
  echo 1 >"$group/cgroup.kill"
  until_true 20 cgroup_is_empty "$group" || die "processes of $1 will not die"
}

cgroup_remove() {
  local hierarchy
  cgroup_kill "$1"
  for hierarchy in $(cgroup_hierarchies); do
    [ ! -d "$hierarchy/$1" ] || find "$hierarchy/$1" -depth -type d -exec rmdir {} +
  done
}
