#compdef gorewind
# Completions of gorewind for zsh.
_gorewind() {
	local -a lines described
	local line kind
	lines=("${(@f)$("${(Q)words[1]/#\~/$HOME}" complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
	kind=$lines[1]
	shift lines
	case $kind in
	words)
		for line in $lines; do
			described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
		done
		_describe gorewind described
		;;
	files) compset -P '--*='; _files ;;
	directories) compset -P '--*='; _files -/ ;;
	esac
}
if [[ $funcstack[1] == _gorewind ]]; then
	_gorewind "$@"
else
	compdef _gorewind gorewind
fi
