# MOVED: deletes what a move or a remove left here.

case $1 in
*.moved-???????? | *.removed-????????) ;;
*) fail permanent VSJ0488 "$1 is not what a move or a remove leaves behind" ;;
esac
guest_undefine "$1"
volume_delete "$1"
