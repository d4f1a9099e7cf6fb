--- The examples of the commands, for their help, the man page and the completion's check: a line to type, and what it
-- does. Each command has a row; spec/cli/help_spec.lua parses them all. Relies on nothing.

---@type table<string, { [1]: string, [2]: string }[]>
return {
  ["imports list"] = { { "flarelight imports list --json", "All imports, for a program." } },
  ["imports data"] = { { "flarelight imports data 7 --start 100 --count 20", "Twenty rows of import 7." } },
  ["imports rows"] = {
    { "flarelight imports rows 7 -o strikes.csv.gz", "Every row, as compressed CSV." },
    { "flarelight imports rows 7 --columns name,cost --limit 10", "Two columns of ten rows." },
    { "flarelight imports rows 7 -o strikes.jsonl --continue", "The rows that came since the last run." },
  },
  ["imports upload"] = {
    { "flarelight imports upload strikes.csv --name strikes", "A new import from a file." },
    { "flarelight imports upload strikes.csv --key 2026-11-25", "The same, and never twice." },
    { "flarelight imports upload people.csv --delimiter ';' --decimal ,", "CSV as some spreadsheets write it." },
    { "flarelight imports upload --name live -", "From standard input." },
  },
  ["imports diff"] = { { "flarelight imports diff strikes.csv 7", "Is the import what the file says?" } },
  ["imports pending"] = { { "flarelight imports pending", "Uploads to resume." } },
  ["imports resume"] = { { "flarelight imports resume 6d0df6775210ca64cdb3bbc3", "Goes on where it stopped." } },
  ["imports forget"] = { { "flarelight imports forget --key 2026-11-25", "Gives an upload up, and frees its key." } },
  ["automations execute"] = {
    { "flarelight automations execute 1 --wait --until-report 3", "Starts it, and waits for report 3." },
  },
  ["preparations list"] = { { "flarelight preparations list", "The preparations and their last runs." } },
  ["preparations execute"] = {
    { "flarelight preparations execute 1 --parameters '{\"year\": 2024}' --wait", "Runs it, and waits for its end." },
  },
  ["reports list"] = { { "flarelight reports list", "The reports and their states." } },
  ["reports generate"] = { { "flarelight reports generate 1 --wait=60", "Generates it, and waits a minute at most." } },
  ["reports chart"] = {
    { "flarelight reports chart --report 1", "The chart, drawn in the terminal." },
    { "flarelight reports chart --report 1 -o strikes.svg", "The same as a picture." },
    { "flarelight reports chart --report 1 -o strikes.html", "The same as a page, with its table and source." },
  },
  runs = { { "flarelight runs --pending", "What has not ended, or is in doubt." } },
  ["runs list"] = { { "flarelight runs list --limit 10 --json", "The last ten, for a program." } },
  ["runs show"] = { { "flarelight runs show 2026-11-25", "What happened to one of them, step by step." } },
  ["runs forget"] = { { "flarelight runs forget 2026-11-25", "Drops a key, so that it is free again." } },
  ["runs settle"] = {
    { "flarelight runs settle 2026-11-25 --done", "The write in doubt has happened: the key is done." },
    { "flarelight runs settle 2026-11-25 --again", "It has not: the next run sends it again." },
  },
  api = {
    { "flarelight api /Import/1/Data -f count=5", "A request to any path, with a query." },
    { "flarelight api POST /Report/ChartData -F reportId=1", "A body of JSON." },
    { "flarelight api /Import/1/Data --paginate", "All rows, page after page, as one array." },
  },
  quota = {
    { "flarelight quota", "What is left of this minute's requests." },
    { "flarelight quota --watch", "Which processes share it, and what each of them waits for." },
  },
  version = { { "flarelight version", "Versions, for a report of a bug." } },
  doctor = { { "flarelight doctor --environment prod", "What is wrong, and what to do about it." } },
  plan = {
    { "flarelight plan strikes.csv --rate-limit 60", "How long an upload would take, and how the file is read." },
  },
  calibrate = { { "flarelight calibrate --yes", "Writes a profile of the service." } },
  torture = { { "flarelight torture load.lua strikes.csv", "Kills a script at every point of its uploads." } },
  sandbox = {
    { "flarelight sandbox -- sh", "A shell whose service is the sandbox." },
    { "flarelight sandbox --fault imports.import:commit_then_drop:2 -- ./nightly.sh",
      "A script, whose second write gets no reply." },
    { "flarelight sandbox --port 8080 --database mine.db", "A service that keeps its data." },
  },
  ["sandbox pull"] = {
    { "flarelight sandbox pull -o mine.db --rows 500", "One's own data, for a sandbox." },
    { "flarelight sandbox --database mine.db --definitions mine.db.json -- ./nightly.sh", "A script, tried on it." },
  },
  completion = {
    { "flarelight completion bash >~/.local/share/bash-completion/completions/flarelight", "For bash." },
    { "flarelight completion zsh >~/.zfunc/_flarelight", "For zsh, in a folder of $fpath." },
    { "flarelight completion fish >~/.config/fish/completions/flarelight.fish", "For fish." },
  },
  help = { { "flarelight help imports upload", "The same as flarelight imports upload --help." },
           { "flarelight help options", "The options of every command that sends requests." } },
}
