# GUEST ADDRESS DEVICE RSS TMPFS PROC CPU DISK: writes the guest's definition here. It is not enabled.

guest_define "$@"
