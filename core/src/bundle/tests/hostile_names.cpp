// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Names that lead elsewhere, hide what they are or stand for another file; modes that ask for more
// than a file.
#include "bundle/tests/hostile_zips.hpp"
#include "util/utf8.hpp"

namespace backplane::core::bundle::tests {
namespace {

std::string repeated(const std::string& part, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += part;
    return out;
}

std::vector<std::string> names_of_no_honest_archive() {
    return {
        // out of the folder
        "..", "../x", "../../../../../../etc/cron.d/x", "drivers/..", "drivers/../x",
        "drivers/../../x", "drivers/a/../../../x", "interfaces/../drivers/x", "lib/..",
        "a/b/c/../../../../x", "../", "drivers/../", "..//x", "/../x",
        // elsewhere from the start
        "/", "/etc/passwd", "//server/share", "///", "/drivers/x.json", "/" + std::string{k_wanted},
        // separators and drives of another system
        "\\", "..\\x", "drivers\\x.json", "\\\\server\\share\\x", "drivers/..\\..\\x", "C:/x",
        "c:x", "C:", "Z:\\windows\\x", "C:../x",
        // the same file in another spelling
        "./x", ".", "drivers/./x", "drivers//x", "drivers/x//", "./" + std::string{k_wanted},
        "drivers//backplane.acme.release.json", "drivers/./backplane.acme.release.json", "",
        // characters that end, hide or turn a name
        std::string{"a\0b", 3}, std::string{"\0", 1},
        std::string{k_wanted} + std::string{"\0.py", 4}, std::string{"../\0x", 5}, "drivers/\x01",
        "drivers/a\nb", "drivers/a\rb", "drivers/a\tb", "drivers/\x1b[2J", "drivers/\x7f",
        "drivers/\xC2\x85", "drivers/\xE2\x80\xAEnosj", "drivers/\xE2\x80\xA8x",
        "drivers/\xE2\x81\xA6x",
        // not UTF-8
        "drivers/\xff", "drivers/caf\xe9", "\xC0\xAE\xC0\xAE/x", "drivers/\xC0\xAFx",
        "\xED\xA0\x80", "\xF4\x90\x80\x80", "drivers/\xE2\x82", "\x80", "\xEF\xBB",
        // longer and deeper than anything
        std::string(1025, 'a'), std::string(5000, 'a'), std::string(65535, 'a'),
        repeated("a/", 33) + "x", repeated("a/", 500), repeated("a/", 2000) + "x",
        repeated("../", 300) + "x",
        // another case of a file that is there
        "Drivers/backplane.acme.release.json", "drivers/Backplane.acme.release.json",
        "DRIVERS/BACKPLANE.ACME.RELEASE.JSON", "drivers/acme_scale.X86_64-linux-gnu.so.1.1.0"};
}

}  // namespace

std::vector<HostileZip> hostile_names() {
    std::vector<HostileZip> out;
    for (const std::string& name : names_of_no_honest_archive()) {
        out.push_back(
            {"the name \"" + to_printable(name, 60) + "\" (" + std::to_string(name.size()) + ")",
             [name] { return zip_with({.name = name, .content = "evil"}); }, "E_NAME"});
    }
    // Strange, but inside: foreign files, and the honest one is read.
    for (const char* name :
         {"...", "drivers/...", "....//..x/", "~/x", "%2e%2e/x", "drivers/a b", "aux", "-rf",
          "drivers/\xEF\xBC\x8E\xEF\xBC\x8E", "lib/Backplane.acme.release.json"}) {
        const bool empty_part = std::string{name}.find("//") != std::string::npos;
        out.push_back({std::string{"the foreign name "} + name,
                       [name] { return zip_with({.name = name}); }, empty_part ? "E_NAME" : ""});
    }

    const auto mode = [&out](const char* what, std::uint32_t bits, const char* name,
                             const char* code) {
        out.push_back(
            {what, [=] { return zip_with({.name = name, .external = bits << 16}); }, code});
    };
    mode("a symbolic link", 0120777, "drivers/link.json", "E_NAME");
    mode("a symbolic link to a folder", 0120777, "drivers/", "E_NAME");
    mode("a character device", 0020666, "lib/null", "E_NAME");
    mode("a block device", 0060660, "lib/sda", "E_NAME");
    mode("a pipe", 0010644, "lib/pipe", "E_NAME");
    mode("a socket", 0140755, "lib/socket", "E_NAME");
    mode("a whiteout", 0160000, "lib/gone", "E_NAME");
    mode("an unknown kind of file", 0030644, "lib/what", "E_NAME");
    mode("a setuid program", 0104755, "lib/su", "E_NAME");
    mode("a setgid program", 0102755, "lib/sg", "E_NAME");
    mode("a setuid program of no kind", 04755, "lib/su", "E_NAME");
    mode("a folder with the name of a file", 0040755, "lib/x", "E_NAME");
    mode("a file with the name of a folder", 0100644, "lib/x/", "E_NAME");
    mode("a plain folder", 0040755, "drivers/", "");
    mode("a folder named as the wanted file", 0040755, "drivers/backplane.acme.release.json/", "");
    out.push_back(
        {"a symbolic link from a system without them",
         [] { return zip_with({.name = "lib/l", .external = 0120777u << 16, .made_by = 20}); },
         "E_NAME"});
    out.push_back({"the wanted file as a symbolic link",
                   [] { return zip_with_wanted([](ZipFile& f) { f.external = 0120777u << 16; }); },
                   "E_NAME"});

    // One name, two files.
    for (const char* content : {"other", ""}) {
        out.push_back({std::string{"the wanted name twice, then with \""} + content + "\"",
                       [content] { return zip_with({.name = k_wanted, .content = content}); },
                       "E_DUP"});
    }
    out.push_back({"the wanted file twice, byte by byte the same",
                   [] { return zip_with(honest_files().front()); }, "E_DUP"});
    out.push_back({"the wanted name in front of the honest file",
                   [] {
                       auto files = honest_files();
                       files.insert(files.begin(), {.name = k_wanted, .content = "evil"});
                       return make_zip(files);
                   },
                   "E_DUP"});
    out.push_back({"the wanted name a hundred times",
                   [] {
                       auto files = honest_files();
                       for (int i = 0; i < 100; ++i) files.push_back(files.front());
                       return make_zip(files);
                   },
                   "E_DUP"});
    out.push_back({"a foreign name twice", [] { return zip_with(honest_files().back()); }, ""});
    out.push_back({"without the wanted file",
                   [] {
                       auto files = honest_files();
                       files.erase(files.begin());
                       return make_zip(files);
                   },
                   "E_NAME"});
    out.push_back({"with the wanted file in the wrong folder",
                   [] {
                       return zip_with_wanted(
                           [](ZipFile& f) { f.name = "interfaces/backplane.acme.release.json"; });
                   },
                   "E_NAME"});
    return out;
}

}  // namespace backplane::core::bundle::tests
