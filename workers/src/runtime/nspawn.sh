# Guests of systemd-nspawn.
