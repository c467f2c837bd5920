# Volumes that are subvolumes of a btrfs.
