# MOVED: deletes what a move left here.

case $1 in
*.moved-????????) ;;
*) fail permanent VSJ0488 "$1 is not what a move leaves behind" ;;
esac
guest_undefine "$1"
volume_delete "$1"
