# Completions of gorewind for fish.
function __gorewind_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    set -l lines (command $program complete $words "$current" 2>/dev/null)
    set -l kind $lines[1]
    set -e lines[1]
    set -l flag (string match -r '^--[^=]*=' -- $current)
    set -l value (string replace -r '^--[^=]*=' '' -- $current)
    switch "$kind"
        case words
            printf '%s\n' $lines
        case files
            printf "$flag%s\n" (__fish_complete_path $value)
        case directories
            printf "$flag%s\n" (__fish_complete_directories $value '')
    end
end
complete -c gorewind -f -a '(__gorewind_complete)'
