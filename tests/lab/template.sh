# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# Guest templates, made once and cached: `debian`, a Debian with slapd as an administrator would have
# it, and `tiny`, a few megabytes that start and stop at once, for matrices with many guests. Either is
# the archive of a guest's root without identity: no host name, machine-id, keys or address, which
# `create` gives. README.md says where the address is written. Sourced by lab.

readonly GUEST_PACKAGES=systemd,systemd-sysv,dbus,slapd,ldap-utils,iproute2,procps

# template NAME: prints the path of the template's archive, built if it is not cached.
template() {
  local archive recipe
  case ${1:-} in
    debian) archive=debian-ldap.tar.zst ;;
    tiny) archive=tiny.tar ;;
    *) misuse 'which template? debian or tiny' ;;
  esac
  recipe=$(cat "$HERE/image.sh" "$HERE/template.sh" "$HERE/tiny-init" | sha256sum | cut -c1-12)
  cached "$CACHE/templates/$recipe/$archive" "build_$1" || return
  # One name that scripts can know; the folder beside it belongs to the recipe of now.
  ln -sfn "$recipe/$archive" "$CACHE/templates/$archive"
  printf '%s\n' "$CACHE/templates/$archive"
}

build_debian() {
  local work=$1 archive=$2 tree=$1/tree
  debian_tree "$work" "$tree" apt "$GUEST_PACKAGES"
  guest_ldap "$tree"
  printf '127.0.0.1 localhost\n' >"$tree/etc/hosts"
  # networkd gives host0 its address; the rest is nothing that a guest without a console needs.
  chroot "$tree" systemctl --quiet enable systemd-networkd.service slapd.service
  chroot "$tree" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer fstrim.timer console-getty.service getty.target systemd-firstboot.service \
    systemd-networkd-wait-online.service
  chroot "$tree" systemctl --quiet set-default multi-user.target
  tar -C "$tree" --numeric-owner --xattrs --acls --sort=name -cf - . | zstd -q -T0 -3 -o "$archive"
}

# The directory dc=lab, open to be written by cn=admin,dc=lab with the password `lab`. A database that
# syncs at each write (olcDbNoSync is off by default): what slapd acknowledged is on its disk.
guest_ldap() {
  local tree=$1 hash
  rm -rf "$tree"/var/lib/ldap/* "$tree"/etc/ldap/slapd.d
  hash=$(chroot "$tree" slappasswd -n -s lab)
  cat >"$tree/root/slapd.ldif" <<END
dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: /var/run/slapd/slapd.pid
olcArgsFile: /var/run/slapd/slapd.args

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif
include: file:///etc/ldap/schema/inetorgperson.ldif

dn: olcDatabase=config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: config
olcAccess: to * by dn.exact=gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth manage by * none

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcSuffix: dc=lab
olcRootDN: cn=admin,dc=lab
olcRootPW: $hash
olcDbDirectory: /var/lib/ldap
olcDbMaxSize: 268435456
olcDbIndex: objectClass eq
olcDbIndex: uid eq
olcAccess: to * by * read
END
  printf '%s\n' 'dn: dc=lab' 'objectClass: dcObject' 'objectClass: organization' 'dc: lab' 'o: lab' '' \
    'dn: ou=people,dc=lab' 'objectClass: organizationalUnit' 'ou: people' >"$tree/root/base.ldif"
  mkdir -p "$tree/etc/ldap/slapd.d"
  chroot "$tree" slapadd -n 0 -F /etc/ldap/slapd.d -l /root/slapd.ldif
  chroot "$tree" slapadd -n 1 -F /etc/ldap/slapd.d -l /root/base.ldif
  chroot "$tree" chown -R openldap:openldap /etc/ldap/slapd.d /var/lib/ldap
  rm "$tree/root/slapd.ldif" "$tree/root/base.ldif"
}

build_tiny() {
  local work=$1 archive=$2 tree=$1/tree
  debian_tree "$work" "$work/debian" extract busybox-static
  mkdir -p "$tree"/{bin,dev,etc/systemd/network,proc,run,sys,tmp,usr/lib,var/lib/data} "$tree/root"
  chmod 1777 "$tree/tmp"
  chmod 700 "$tree/root"
  install -m 755 "$work/debian/bin/busybox" "$tree/bin/busybox"
  chroot "$tree" /bin/busybox --install -s /bin
  ln -s bin "$tree/sbin"
  install -m 755 "$HERE/tiny-init" "$tree/bin/init"
  printf 'ID=tiny\nNAME="lab tiny"\n' >"$tree/etc/os-release"
  printf 'root:x:0:0:root:/root:/bin/sh\n' >"$tree/etc/passwd"
  printf 'root:x:0:\n' >"$tree/etc/group"
  : >"$tree/etc/machine-id"
  tar -C "$tree" --numeric-owner --sort=name -cf "$archive" .
}
