# SPDX-License-Identifier: BSD-2-Clause
# fish completion for beamfence: the program itself says what fits.
function __beamfence_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l found ($words[1] complete $words[2..-1] "$word" 2>/dev/null)
    if test "$found[1]" = :files
        __fish_complete_path "$word"
    else
        printf '%s\n' $found
    end
end
complete -c beamfence -f -a '(__beamfence_complete)'
