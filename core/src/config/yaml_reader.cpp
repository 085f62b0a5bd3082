// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The only place that knows yaml-cpp. It uses the parser's events, not its node tree: that tree has
// lost duplicate keys and the lines of keys, and shares nodes between aliases.
#include "config/yaml_reader.hpp"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "util/utf8.hpp"

namespace backplane::core {
namespace {

constexpr std::size_t k_most_values = 50'000;

/// Leaves the parser from within an event; caught in read_yaml() and nowhere else.
struct Refused {
    Unexpected<Error> error;
};

Unexpected<Error> incomplete(const std::string& file, int line) {
    return config_failure(
        "config.broken_yaml", {file, line}, {},
        "is not complete YAML: a quote or bracket opened here or below is never closed");
}

class TreeBuilder final : public YAML::EventHandler {
public:
    TreeBuilder(std::string file, int lines) : file_(std::move(file)), lines_(lines) {}

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ > 0)
            refuse("config.broken_yaml", mark,
                   "a second document begins here (after \"---\" or \"...\"): keep only one");
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        check(mark, "?", anchor);
        ConfigNode node;
        node.origin = origin(mark);
        add(std::move(node), mark, false);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        refuse("config.broken_yaml", mark,
               "aliases (\"*name\") are not used here: write the value again, or put it in quotes");
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        check(mark, tag, anchor);
        ConfigNode node;
        node.kind = ConfigNode::Kind::scalar;
        node.text = value;
        node.quoted = tag != "?" && !tag.empty();
        node.origin = origin(mark);
        add(std::move(node), mark, true);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        check(mark, tag, anchor);
        open(ConfigNode::Kind::list, mark);
    }
    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        check(mark, tag, anchor);
        open(ConfigNode::Kind::map, mark);
    }
    void OnMapEnd() override { close(); }

    ConfigNode take() && { return std::move(top_); }
    int last_line() const noexcept { return last_line_; }

private:
    struct Open {
        ConfigNode node;
        std::set<std::string> keys;
        std::optional<std::pair<std::string, ConfigOrigin>> key;  ///< read, and its value is next
    };

    ConfigOrigin origin(const YAML::Mark& mark) const { return {file_, mark.line + 1}; }

    [[noreturn]] void refuse(const char* code, const YAML::Mark& mark,
                             const std::string& what) const {
        if (mark.line + 1 > lines_) throw Refused{incomplete(file_, last_line_)};
        throw Refused{config_failure(code, origin(mark), {}, what)};
    }

    void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
        if (mark.line + 1 <= lines_) last_line_ = mark.line + 1;
        if (anchor != 0)
            refuse(
                "config.broken_yaml", mark,
                "anchors (\"&name\") are not used here: leave it out, or put the value in quotes");
        if (!tag.empty() && tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str") {
            refuse("config.broken_yaml", mark,
                   "the tag \"" + to_printable(tag, 60) + "\" is not used here: leave it out");
        }
        if (++values_ > k_most_values) {
            refuse("config.too_large", mark,
                   "has more than " + std::to_string(k_most_values) + " values: make it smaller");
        }
    }

    void open(ConfigNode::Kind kind, const YAML::Mark& mark) {
        if (stack_.size() >= k_config_depth) {
            refuse("config.too_deep", mark,
                   "is nested more than " + std::to_string(k_config_depth) + " levels deep");
        }
        if (expects_key())
            refuse("config.broken_yaml", mark, "a key must be text, not a list or a map");
        Open opened;
        opened.node.kind = kind;
        opened.node.origin = origin(mark);
        stack_.push_back(std::move(opened));
    }

    void close() {
        ConfigNode node = std::move(stack_.back().node);
        stack_.pop_back();
        put(std::move(node));
    }

    bool expects_key() const noexcept {
        return !stack_.empty() && stack_.back().node.kind == ConfigNode::Kind::map &&
               !stack_.back().key;
    }

    void add(ConfigNode node, const YAML::Mark& mark, bool may_be_key) {
        if (!expects_key()) {
            put(std::move(node));
            return;
        }
        if (!may_be_key) refuse("config.broken_yaml", mark, "a key is missing here");
        Open& map = stack_.back();
        if (!map.keys.insert(node.text).second) {
            const auto first =
                std::find_if(map.node.members.begin(), map.node.members.end(),
                             [&](const ConfigMember& member) { return member.key == node.text; });
            refuse("config.duplicate_key", mark,
                   "the key \"" + to_printable(node.text, 80) +
                       "\" stands here twice, first in line " + std::to_string(first->origin.line) +
                       ": keep one of them");
        }
        map.key.emplace(std::move(node.text), node.origin);
    }

    void put(ConfigNode node) {
        if (stack_.empty()) {
            top_ = std::move(node);
        } else if (Open& parent = stack_.back(); parent.node.kind == ConfigNode::Kind::map) {
            parent.node.members.push_back(
                {std::move(parent.key->first), parent.key->second, std::move(node)});
            parent.key.reset();
        } else {
            parent.node.items.push_back(std::move(node));
        }
    }

    std::string file_;
    int lines_;  ///< what goes wrong beyond is something that was not closed before
    int documents_ = 0;
    int last_line_ = 1;
    std::size_t values_ = 0;
    std::vector<Open> stack_;
    ConfigNode top_;
};

int line_of(const std::string& text, std::size_t at) {
    return 1 + static_cast<int>(
                   std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

/// A flow collection that opens too often: yaml-cpp looks ahead through all of them before it
/// reports the first.
std::optional<int> line_of_too_many_brackets(const std::string& text) {
    std::size_t run = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '[' || c == '{') {
            if (++run > k_config_depth) return line_of(text, at);
        } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            run = 0;
        }
    }
    return std::nullopt;
}

}  // namespace

Result<ConfigNode> read_yaml(const std::string& text, const std::string& shown_name) {
    const auto refuse = [&](const char* code, int line, const std::string& what) {
        return config_failure(code, ConfigOrigin{shown_name, line}, {}, what);
    };
    if (const std::size_t at = first_invalid_utf8(text); at != std::string::npos) {
        return refuse("config.broken_yaml", line_of(text, at),
                      "is not UTF-8 text: save the file as UTF-8");
    }
    // Carriage return and tab are the only control characters that YAML allows beside the line
    // feed.
    const auto control = std::find_if(text.begin(), text.end(), [](char c) {
        return (c >= 0 && c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F;
    });
    if (control != text.end()) {
        return refuse("config.broken_yaml",
                      line_of(text, static_cast<std::size_t>(control - text.begin())),
                      "contains a control character: is this a text file?");
    }
    if (const auto line = line_of_too_many_brackets(text)) {
        return refuse("config.too_deep", *line,
                      "is nested more than " + std::to_string(k_config_depth) + " levels deep");
    }

    const int lines = line_of(text, text.size());
    TreeBuilder builder{shown_name, lines};
    try {
        // The end-of-document mark makes yaml-cpp notice a quote that is never closed; at a plain
        // end of file it does not.
        std::istringstream stream{text + "\n...\n"};
        YAML::Parser parser{stream};
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (Refused& refused) {
        return std::move(refused.error);
    } catch (const YAML::Exception& error) {
        if (error.mark.line + 1 > lines) return incomplete(shown_name, builder.last_line());
        return refuse("config.broken_yaml", error.mark.line + 1,
                      "is not valid YAML (" + error.msg +
                          "): look for a missing quote, a missing space after \":\", a tab or "
                          "wrong indentation");
    }
    ConfigNode top = std::move(builder).take();
    if (top.kind != ConfigNode::Kind::map && top.kind != ConfigNode::Kind::nothing) {
        return refuse("config.wrong_type", top.origin.line,
                      describe(top) + " stands where keys such as \"http:\" are needed");
    }
    if (top.origin.file.empty()) top.origin = ConfigOrigin{shown_name, 1};
    return top;
}

}  // namespace backplane::core
