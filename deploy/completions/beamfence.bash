# SPDX-License-Identifier: BSD-2-Clause
# bash completion for beamfence: the program itself says what fits.
_beamfence() {
	local IFS=$'\n' word=${COMP_WORDS[COMP_CWORD]}

	# "--in=eth0" comes as three words, or as one.
	[ "$word" = = ] && word=
	mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" \
		"$word" 2>/dev/null)
	if [ "${COMPREPLY[0]-}" = :files ]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		compopt -o filenames
	fi
}
complete -F _beamfence beamfence
