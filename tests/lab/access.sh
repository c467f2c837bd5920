# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# How the master reaches the hosts: the lab's key, strict known hosts, an ssh_config, and a command to
# run things where the master lives. Sourced by lab.

readonly ACCESS_FILES='env key key.pub ssh_config ssh_known_hosts slaves.conf hosts.txt'

write_access() {
  local host address
  mkdir -p "$dir/home/.ssh" "$dir/hosts"
  chmod 700 "$dir/home" "$dir/home/.ssh"
  ssh-keygen -q -t ed25519 -N '' -C "lab $id" -f "$dir/key"
  printf '127.0.0.1 localhost\n10.77.0.1 master\n' >"$dir/hosts.txt"
  : >"$dir/ssh_known_hosts"
  printf '# The hosts of the lab in %s\n' "$dir" >"$dir/slaves.conf"
  for host in $(seq -f 'vsh-%02g' 1 "$hosts"); do
    address=$(host_address "$host")
    printf '%s %s\n' "$address" "$host" >>"$dir/hosts.txt"
    printf '%s:driver=nspawn,storage=btrfs,address=%s\n' "$host" "$address" >>"$dir/slaves.conf"
  done
  write_ssh_config >"$dir/ssh_config"
  cp "$dir/ssh_config" "$dir/home/.ssh/config"
  chmod 600 "$dir/ssh_config" "$dir/home/.ssh/config"
  cat >"$dir/env" <<END
VSJOB_LAB=$dir
VSJOB_LAB_ID=$id
VSJOB_LAB_HOSTS=$hosts
VSJOB_LAB_VMS=$vms
VSJOB_LAB_MASTER_NETNS=$master
VSJOB_LAB_SSH_CONFIG=$dir/ssh_config
VSJOB_LAB_NETWORK=10.77.0.0/16
VSJOB_LAB_GATEWAY=10.77.0.1
END
}

write_ssh_config() {
  local host
  for host in $(seq -f 'vsh-%02g' 1 "$hosts"); do
    printf 'Host %s\n  HostName %s\n  HostKeyAlias %s\n' "$host" "$(host_address "$host")" "$host"
  done
  cat <<END
Host vsh-* 10.77.0.*
  User root
  IdentityFile $dir/key
  IdentitiesOnly yes
  UserKnownHostsFile $dir/ssh_known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
END
}

# access_add_host HOST PUBLIC-KEY-FILE
access_add_host() {
  local type key
  read -r type key _ <"$2"
  printf '%s,%s %s %s\n' "$1" "$(host_address "$1")" "$type" "$key" >>"$dir/ssh_known_hosts"
}

access_remove() {
  local file
  for file in $ACCESS_FILES; do rm -f "$dir/$file"; done
  rm -rf "${dir:?}/home" "${dir:?}/hosts"
}

# OpenSSH takes ~ from passwd and not from $HOME, so the lab's .ssh is laid over root's, in a mount
# namespace of the command's own: a plain `ssh vsh-01` works in whatever it starts.
master_run() {
  [ $# -gt 0 ] || misuse 'run what?'
  [ "$(id -u)" = 0 ] || needs 'root'
  local home
  home=$(getent passwd root | cut -d: -f6)
  [ -d "$home/.ssh" ] || install -d -m 700 "$home/.ssh"
  # shellcheck disable=SC2016 # expanded by the inner shell
  exec env HOME="$dir/home" VSJOB_LAB="$dir" \
    nsenter --net="/run/netns/$master" unshare --mount sh -c '
      mount --bind "$1/home/.ssh" "$2/.ssh" && mount --bind "$1/hosts.txt" /etc/hosts || exit 1
      shift 2
      exec "$@"' sh "$dir" "$home" "$@"
}
