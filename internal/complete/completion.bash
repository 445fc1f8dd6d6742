# Completions of gorewind for bash.
_gorewind() {
	local -a words=()
	local i word glue= kind= cut line IFS=$' \t\n'
	# What bash takes for the end of a word, = and :, is part of a flag or an endpoint.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((${#words[@]})) && [[ $glue || $word == [=:]* ]]; then
			words[${#words[@]} - 1]+=$word
		else
			words+=("$word")
		fi
		glue=
		[[ $word == *[=:] ]] && glue=yes
	done
	word=${words[${#words[@]} - 1]}
	cut=${word%"${word##*[=:]}"}
	COMPREPLY=()
	while IFS= read -r line; do
		line=${line%%$'\t'*}
		case $kind in
		'') kind=$line ;;
		words) COMPREPLY+=("${line#"$cut"}") ;;
		esac
	done < <("${COMP_WORDS[0]/#\~/$HOME}" complete "${words[@]}" 2>/dev/null)
	case $kind in
	files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "${word##*=}") ;;
	directories) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "${word##*=}") ;;
	esac
}
complete -F _gorewind gorewind
