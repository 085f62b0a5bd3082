// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle_commands.hpp"

#include <CLI/CLI.hpp>

#include "bundle_create.hpp"
#include "bundle_keys.hpp"
#include "bundle_root.hpp"
#include "bundle_show.hpp"
#include "bundle_sign.hpp"
#include "bundle_trust.hpp"
#include "bundle_verify.hpp"

namespace backplane::cli {
namespace {

constexpr const char* k_bundle_examples = R"(
A publisher's way from a plug-in to a signed bundle:
  backplane bundle keygen root                         two keys: root.pub, root.key
  backplane bundle keygen release
  backplane bundle create --bundle acme --out iot_handlers --root-key root.pub --release-key release.pub scale.so
  backplane bundle sign iot_handlers --key root.key --key release.key
  backplane bundle verify iot_handlers --key root.pub  what a box would say

Passwords of keys are asked for on the terminal, or taken from the variable BACKPLANE_KEY_PASSWORD.
)";

/// NAME=VALUE with neither part empty.
const CLI::Validator& pair_check() {
    static const CLI::Validator check{
        [](std::string& text) {
            const auto at = text.find('=');
            return at == std::string::npos || at == 0 || at + 1 == text.size()
                       ? "\"" + text + "\" is not of the form NAME=VALUE"
                       : std::string{};
        },
        "NAME=VALUE"};
    return check;
}

void add_pairs(CLI::App* app, const std::string& flag, Named& values, const std::string& type,
               const std::string& description) {
    app->add_option(flag, values, description)
        ->check(pair_check())
        ->type_name(type)
        ->allow_extra_args(false);
}

void add_list(CLI::App* app, const std::string& flag, std::vector<std::string>& values,
              const std::string& type, const std::string& description) {
    app->add_option(flag, values, description)->type_name(type)->allow_extra_args(false);
}

void add_root_options(CLI::App* app, RootOptions& options) {
    app->add_option("--bundle", options.bundle, "Id of the bundle: a-z, 0-9, _ and -")
        ->required()
        ->type_name("ID");
    app->add_option("--out", options.folder, "The iot_handlers folder of the module")
        ->required()
        ->type_name("FOLDER");
    add_list(app, "--root", options.copies, "FILE|FOLDER",
             "Earlier roots to be taken along with their signatures");
    add_list(app, "--root-key", options.root_keys, "K.pub", "Key that may sign roots; repeatable");
    app->add_option("--root-threshold", options.root_threshold,
                    "How many of them are needed; otherwise the half, rounded up")
        ->check(CLI::Range(1u, 16u));
    add_list(app, "--release-key", options.release_keys, "K.pub",
             "Key that may sign releases; repeatable");
    app->add_option("--release-threshold", options.release_threshold,
                    "How many of them are needed; otherwise the half, rounded up")
        ->check(CLI::Range(1u, 16u));
    app->add_option("--issued", options.issued, "Day or time of issue; otherwise now")
        ->type_name("DATE");
    add_list(app, "--key", options.sign_with, "K.key", "Sign at once with this key; repeatable");
}

}  // namespace

struct BundleCommands::State {
    CLI::App *keygen, *root, *create, *sign, *inspect, *verify, *list, *add, *remove;
    std::string out, path, source, id;
    std::string trust_folder = "/etc/backplane/trust";
    bool without_password = false, json = false, yes = false;
    RootOptions root_options;
    CreateOptions create_options;
    SignOptions sign_options;
    VerifyOptions verify_options;

    void add_bundle(CLI::App& app);
    void add_create(CLI::App& bundle);
    void add_verify(CLI::App& bundle);
    void add_trust(CLI::App& app);
};

void BundleCommands::State::add_bundle(CLI::App& app) {
    CLI::App* bundle =
        app.add_subcommand("bundle", "For publishers: make signed bundles of drivers");
    bundle->require_subcommand(1);
    bundle->footer(k_bundle_examples);

    keygen = bundle->add_subcommand("keygen", "Make a key pair: OUT.pub and OUT.key");
    keygen->add_option("OUT", out, "Path without the ending")->required();
    keygen->add_flag("--no-password", without_password,
                     "Do not protect the secret key: whoever reads the file can sign");

    root = bundle->add_subcommand("root", "Make the next root: who may sign, from now on");
    add_root_options(root, root_options);
    root->add_option("--expires", root_options.expires, "Otherwise in five years")
        ->type_name("DATE");
    root->add_option("--version-floor", root_options.version_floor,
                     "The lowest release that boxes may still accept");
    add_pairs(root, "--delegate", root_options.delegates, "ID=PREFIX",
              "Let a vendor deliver plug-ins whose names begin with PREFIX");
    add_pairs(root, "--delegate-key", root_options.delegate_keys, "ID=K.pub",
              "Key of that vendor; repeatable");
    add_pairs(root, "--delegate-cap", root_options.delegate_caps, "ID=CAP",
              "Permission that its plug-ins may have; repeatable");
    add_pairs(root, "--delegate-threshold", root_options.delegate_thresholds, "ID=N",
              "How many of its keys are needed");
    add_list(root, "--drop-delegate", root_options.dropped_delegates, "ID",
             "Do not trust this vendor any more");

    sign = bundle->add_subcommand("sign", "Sign all documents that the key has a role in");
    sign->add_option("FOLDER", sign_options.folder, "What \"create\" has written")->required();
    add_list(sign, "--key", sign_options.keys, "K.key", "Secret key file; repeatable");
    sign->get_option("--key")->required();
    sign->add_option("--bundle", sign_options.bundle, "Only this one")->type_name("ID");
    sign->add_option("--zip", sign_options.zip, "Then write the bundle to this zip file")
        ->type_name("FILE");

    inspect = bundle->add_subcommand("inspect", "Show what a folder or a zip says of itself");
    inspect->add_option("PATH", path, "iot_handlers folder, or zip")->required();
    inspect->add_flag("--json", json, "For scripts");
}

void BundleCommands::State::add_create(CLI::App& bundle) {
    CreateOptions& options = create_options;
    create = bundle.add_subcommand("create", "Put plug-ins and their manifest into a module");
    add_root_options(create, options.root);
    create->add_option("--expires", options.root.expires, "Of the release; otherwise in one year")
        ->type_name("DATE");
    create
        ->add_option("--root-expires", options.root_expires,
                     "Of a first root; otherwise in five years")
        ->type_name("DATE");
    create->add_option("--version", options.version, "Number of the release; otherwise the next");
    create->add_option("--min-host", options.min_host, "Lowest version of the box")
        ->type_name("VERSION");
    create
        ->add_option("--vendor", options.vendor,
                     "Make the manifest of this vendor, to whom the root delegates")
        ->type_name("ID");
    add_pairs(create, "--floor", options.floors, "NAME=VERSION",
              "Versions of the plug-in below this may not run any more");
    add_pairs(create, "--probation", options.probations, "NAME=SECONDS",
              "How long a new version is watched; otherwise 600");
    add_pairs(create, "--actions", options.actions, "NAME=COUNT",
              "Actions that must succeed in that time; otherwise 1");
    add_pairs(create, "--note", options.notes, "NAME=LANGUAGE:TEXT", "What is new, for people");
    add_pairs(create, "--withdraw", options.withdrawn, "SHA256=REASON",
              "A build that may not run any more");
    create->add_option("--zip", options.zip, "With --key: write the bundle to this zip file, too")
        ->type_name("FILE");
    create->add_option("PLUGINS", options.plugins, "Builds for all architectures")
        ->required()
        ->type_name("FILE.so");
}

void BundleCommands::State::add_verify(CLI::App& bundle) {
    VerifyOptions& options = verify_options;
    verify = bundle.add_subcommand("verify", "Say what a box would say; exit code 1 if it refuses");
    verify->add_option("PATH", options.path, "iot_handlers folder, or zip")->required();
    add_list(verify, "--root", options.roots, "FILE", "Root that the box trusts; repeatable");
    add_list(verify, "--key", options.keys, "K.pub",
             "Key that the owner of the box has added; repeatable");
    verify->add_flag("--development", options.development, "As a box in development mode");
    verify
        ->add_option("--trust-dir", options.trust_folder,
                     "If none of these is given: what this box trusts")
        ->type_name("FOLDER")
        ->default_val("/etc/backplane/trust");
    add_list(verify, "--arch", options.architectures, "ARCH",
             "As a box of this architecture; otherwise all that it has builds for");
    verify->add_option("--glibc", options.glibc, "C library of the box, such as 2.36")
        ->type_name("VERSION");
    verify->add_option("--host-version", options.host_version, "Version of the box")
        ->type_name("VERSION")
        ->default_val(BP_VERSION);
    verify->add_option("--now", options.now, "As on this day")->type_name("DATE");
    verify->add_flag("--json", options.json, "For scripts");
}

void BundleCommands::State::add_trust(CLI::App& app) {
    CLI::App* trust =
        app.add_subcommand("trust", "Whose drivers this box takes, as its owner says");
    trust->require_subcommand(1);
    trust->add_option("--trust-dir", trust_folder, "Where backplaned looks")
        ->type_name("FOLDER")
        ->capture_default_str();
    list = trust->add_subcommand("list", "What the owner has added");
    list->add_flag("--json", json, "For scripts");
    add = trust->add_subcommand("add", "Trust a publisher's root or key");
    add->add_option("SOURCE", source, "Root document, .pub file, or the public key itself")
        ->required();
    remove = trust->add_subcommand("remove", "Trust it no more");
    remove->add_option("ID", id, "Bundle id or id of a key, as \"list\" shows it")->required();
    for (CLI::App* each : {add, remove}) each->add_flag("--yes", yes, "Do not ask");
    for (CLI::App* each : {list, add, remove}) each->fallthrough();
}

BundleCommands::BundleCommands(CLI::App& app) : state_(std::make_unique<State>()) {
    state_->add_bundle(app);
    CLI::App& bundle = *app.get_subcommand("bundle");
    state_->add_create(bundle);
    state_->add_verify(bundle);
    state_->add_trust(app);
}

BundleCommands::~BundleCommands() = default;

std::optional<ExitCode> BundleCommands::run() {
    State& s = *state_;
    if (s.keygen->parsed()) return generate_key(s.out, s.without_password);
    if (s.root->parsed()) return create_root(s.root_options);
    if (s.create->parsed()) return create_release(s.create_options);
    if (s.sign->parsed()) return sign_bundle(s.sign_options);
    if (s.inspect->parsed()) return inspect_bundle(s.path, s.json);
    if (s.verify->parsed()) return verify_bundle(s.verify_options);
    if (s.list->parsed()) return list_trust(s.trust_folder, s.json);
    if (s.add->parsed()) return cli::add_trust(s.trust_folder, s.source, s.yes);
    if (s.remove->parsed()) return remove_trust(s.trust_folder, s.id, s.yes);
    return std::nullopt;
}

}  // namespace backplane::cli
