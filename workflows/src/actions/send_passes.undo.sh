# GUEST SNAPSHOT: removes the snapshot.

volume_delete "$2"
