# GUEST ADDRESS DEVICE RSS TMPFS PROC CPU: writes the guest's definition here. It is not enabled.

guest_define "$@"
