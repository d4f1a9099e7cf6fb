-- flarelight doctor: where the values came from, what it finds on the way to the service, and what it advises.

local command = require "support.command"
local flarelight = require "flarelight"
local support = require "support"
local system = require "support.system"

describe("flarelight doctor #slow", function()
  if not system.thorough then return end
  local opened = support.opened(after_each)
  local folder, sandbox, environment

  before_each(function()
    folder = system.folder()
    sandbox = opened.sandbox()
    environment = command.environment(sandbox, folder)
  end)

  -- The checks by name, and the status.
  local function checked(line)
    local out, err, status = command.shell(folder, environment, "flarelight doctor --json " .. (line or ""))
    local found = {}
    for _, each in ipairs(assert(flarelight.json.decode(out), out .. err)) do found[each.check] = each end
    assert.is_nil((out .. err):find(sandbox.api_key, 1, true))
    return found, status
  end

  local function settings_of(found)
    local list = {}
    for _, each in ipairs(found.configuration.settings) do list[each.setting] = each.from end
    return list
  end

  it("tells where each value came from", function()
    system.shell("mkdir -p " .. folder .. "/config/flarelight")
    local path = system.write(folder .. "/config/flarelight/config.ini", "[here]\nread_timeout = 9\nproxy = http://u:hidden@p\n")
    system.shell("chmod 600 " .. path)
    environment = environment .. "\nexport XDG_CONFIG_HOME=" .. folder .. "/config"
    local found, status = checked "--environment here --connect-timeout 3 --proxy ''"
    assert.are.same({
      api_key = "FLARELIGHT_API_KEY", base_url = "FLARELIGHT_BASE_URL", connect_timeout = "--connect-timeout",
      proxy = "--proxy", read_timeout = path .. " [here]", state = "default",
      subscription_id = "FLARELIGHT_SUBSCRIPTION_ID",
    }, settings_of(found))
    assert.are.equal(0, status)
    assert.are.equal("here, from --environment", found.environment.detail)
    local text = command.shell(folder, environment .. "\nexport FLARELIGHT_ENVIRONMENT=her", "flarelight doctor")
    assert.matches("failed +environment +environment her: .*has no section %[her%]: is it here%?", text)
    assert.matches("\n +→ correct the file, or name another environment\n", text)
    assert.are.equal(1, select(2, text:gsub("has no section", "")))
    assert.matches("skipped +key +the environment cannot be read\n", text)
    assert.is_nil(text:find "hidden")
  end)

  it("checks names, the proxy and the quota, and advises", function()
    local found, status = checked()
    assert.are.same({ 0, "ok", "skipped" }, { status, found.dns.result, found.proxy.result })
    assert.are.equal("127.0.0.1 is 127.0.0.1", found.dns.detail)
    found, status = checked "--base-url https://nowhere.invalid"
    assert.are.same({ 1, "failed", "failed" }, { status, found.dns.result, found.service.result })
    assert.matches("check %-%-region or %-%-base%-url", found.dns.advice)
    found = checked "--proxy http://user:hidden@nowhere.invalid:3128"
    assert.matches("^nowhere.invalid, from %-%-proxy: ", found.proxy.detail)
    assert.are.equal("skipped", found.dns.result)
    local poor = opened.sandbox { rate_limit = 20 }
    environment = command.environment(poor, folder)
    local api = opened.client(poor)
    for _ = 1, 18 do assert(api.imports:all()) end
    found = checked()
    assert.matches("^20 requests a minute, %d left$", found["rate limit"].detail)
    assert.matches("other programs use the quota", found["rate limit"].advice)
  end)

  it("warns of a key file that others may read, and knows a key_command", function()
    local key = system.write(folder .. "/key", sandbox.api_key)
    system.shell("chmod 644 " .. key)
    local found = checked("--key-file " .. key)
    assert.are.same({ "warning", "chmod 600 " .. key }, { found.key.result, found.key.advice })
    found = checked(("--key-command 'cat %s'"):format(key))
    assert.are.same({ "ok", "from the command of --key-command", "ok" },
      { found.key.result, found.key.detail, found.service.result })
  end)

  it("names the certificates and their authority", function()
    local certificate, key = system.certificate "127.0.0.1"
    if not certificate then return pending "there is no openssl" end
    local secure = opened.sandbox { certificate = certificate, private_key = key }
    environment = command.environment(secure, folder)
    local found, status = checked()
    assert.are.equal(1, status)
    assert.are.equal("failed", found.tls.result)
    assert.matches("^127.0.0.1; valid until .* 20%d%d", found.tls.detail)
    assert.matches("if 127.0.0.1 is your company's authority, give its certificate with %-%-ca%-file FILE", found.tls.advice)
    assert.are.equal("the next line tells what the server presented", found.service.advice)
    found, status = checked("--ca-file " .. certificate)
    assert.are.same({ 0, "ok" }, { status, found.tls.result })
    assert.are.equal("--ca-file", settings_of(found).ca_file)
    -- Nothing but the one request was sent.
    assert.are.equal(1, #secure:requests())
  end)
end)
