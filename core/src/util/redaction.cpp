// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// One walk over the text from left to right. At each place every pattern is asked by its first characters; what one has
// taken is not looked at again, so that no text costs more than a few looks for each of its bytes.
#include "util/redaction.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>

namespace backplane::core {
namespace {

constexpr std::string_view k_hidden = "***";
constexpr std::size_t k_longest_base64 = 64;
constexpr std::size_t k_longest_name = 64;
constexpr std::size_t k_longest_word = 12;  // that is still taken for a word and not for a secret
constexpr std::size_t k_deepest_quote =
    7;  // backslashes before it: a text within a text within a text

enum Kind : unsigned char { other, lower_case, upper_case, digit, joint };
constexpr std::array<Kind, 256> make_kinds() {
    std::array<Kind, 256> kinds{};
    for (int c = 'a'; c <= 'z'; ++c) kinds[static_cast<std::size_t>(c)] = lower_case;
    for (int c = 'A'; c <= 'Z'; ++c) kinds[static_cast<std::size_t>(c)] = upper_case;
    for (int c = '0'; c <= '9'; ++c) kinds[static_cast<std::size_t>(c)] = digit;
    for (const char c : {'+', '/', '_', '-', '='}) kinds[static_cast<unsigned char>(c)] = joint;
    return kinds;
}
constexpr std::array<Kind, 256> k_kinds = make_kinds();

Kind kind(char c) noexcept {
    return k_kinds[static_cast<unsigned char>(c)];
}
bool is_letter(char c) noexcept {
    return kind(c) == lower_case || kind(c) == upper_case;
}
bool is_digit(char c) noexcept {
    return kind(c) == digit;
}
bool is_word(char c) noexcept {
    return kind(c) != other;
}
bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}
bool is_name(char c) noexcept {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

/// A run of base64 that no path and no identifier looks like: in those, letters of one case and digits stay together.
bool looks_like_base64(std::string_view run) noexcept {
    std::size_t counted = 0, changes = 0, segment_changes = 0, segment = 0;
    bool hex = true;
    Kind before = other;
    const auto end_segment = [&] {
        // Hashes are names of files and of builds.
        if (!(hex && segment <= 64)) {
            counted += segment;
            changes += segment_changes;
        }
        segment = segment_changes = 0;
        hex = true;
        before = other;
    };
    for (const char c : run) {
        const Kind now = kind(c);
        if (now == joint) {
            end_segment();
            continue;
        }
        hex = hex && (now == digit || (c >= 'a' && c <= 'f'));
        if (before != other && before != now) ++segment_changes;
        ++segment;
        before = now;
    }
    end_segment();
    return counted >= 24 && changes * 3 > counted;
}

/// Payment networks' first digits and lengths (ISO/IEC 7812; the ranges that are in use).
bool begins_like_a_card(std::string_view digits) noexcept {
    const int two = (digits[0] - '0') * 10 + (digits[1] - '0');
    switch (digits[0]) {
        case '2':
            return two >= 22 && two <= 27 && digits.size() == 16;
        case '3':
            return (two == 34 || two == 37 || two == 35 || two == 36 || two == 30 || two == 38 ||
                    two == 39) &&
                   digits.size() >= 14;
        case '4':
        case '5':
        case '6':
            return true;
        case '8':
            return two == 81 && digits.size() >= 16;
        default:
            return false;
    }
}

bool passes_luhn(std::string_view digits) noexcept {
    int sum = 0;
    bool twice = false;
    for (auto it = digits.rbegin(); it != digits.rend(); ++it, twice = !twice) {
        const int value = (*it - '0') * (twice ? 2 : 1);
        sum += value > 9 ? value - 9 : value;
    }
    return sum % 10 == 0;
}

class Walk {
public:
    Walk(std::string_view text, bool every_name) : text_(text), every_name_(every_name) {
        out_.reserve(text.size());
    }

    std::string result() && {
        while (at_ < text_.size()) {
            if (!step()) out_ += text_[at_++];
        }
        return std::move(out_);
    }

private:
    bool starts(std::string_view word) const noexcept {
        return text_.compare(at_, word.size(), word) == 0;
    }
    char before() const noexcept { return at_ == 0 ? '\0' : text_[at_ - 1]; }
    void hide_to(std::size_t end, std::string_view instead = k_hidden) {
        out_ += instead;
        at_ = end;
    }
    void keep_to(std::size_t end) {
        out_ += text_.substr(at_, end - at_);
        at_ = end;
    }
    template <typename F>
    std::size_t run_from(std::size_t begin, F&& fits) const {
        while (begin < text_.size() && fits(text_[begin])) ++begin;
        return begin;
    }

    bool step() {
        const char c = text_[at_];
        switch (c) {
            case '\x1b':
                // What follows "initialise" on its way to a printer is a receipt.
                if (!starts("\x1b@")) return false;
                return hide_to(text_.size(), "(printer data left out)"), true;
            case '^':
                if (!starts("^XA")) return false;
                return hide_to(text_.size(), "(printer data left out)"), true;
            case '%':
                if (starts("%PDF-")) return hide_to(text_.size(), "(document left out)"), true;
                // The magnetic track of a card.
                if (!starts("%B")) return false;
                keep_to(at_ + 2);
                return card_number(), true;
            case '-':
                if (starts("-----BEGIN ") && private_key()) return true;
                break;
            case '/':
                if (starts("//") && before() == ':' && password_in_url()) return true;
                break;
            case '|':
                // Old connection tokens are "url|token|…": whatever follows an address in this way.
                if (!after_url_) return false;
                return keep_to(at_ + 1), hide_to(end_of_value(at_, {})), true;
            default:
                break;
        }
        if (kind(c) == other) {
            if (c != '.' && c != ':' && c != '?' && c != '&') after_url_ = false;
            return false;
        }
        if (kind(c) == joint) return false;
        if (is_digit(c) && card_number()) return true;
        word();
        return true;
    }

    bool private_key() {
        const std::size_t line = text_.find("-----", at_ + 11);
        if (line == std::string_view::npos) return hide_to(text_.size()), true;
        if (text_.substr(at_, line - at_).find("PRIVATE KEY") == std::string_view::npos)
            return false;
        const std::size_t end = text_.find("-----END", line);
        const std::size_t last = end == std::string_view::npos ? end : text_.find("-----", end + 8);
        hide_to(last == std::string_view::npos ? text_.size() : last + 5);
        return true;
    }

    bool password_in_url() {
        after_url_ = true;
        const std::size_t begin = at_ + 2;
        const std::size_t end = run_from(begin, [](char c) {
            return static_cast<unsigned char>(c) > ' ' && c != '/' && c != '@' && c != '"' &&
                   c != '\'' && c != '?' && c != '#';
        });
        if (end == text_.size() || text_[end] != '@' || end == begin) return false;
        keep_to(begin);
        hide_to(end);
        return true;
    }

    /// 13 to 19 digits, perhaps in groups with one blank or dash between them.
    bool card_number() {
        if (before() == '.' && at_ >= 2 && is_digit(text_[at_ - 2])) return false;  // a fraction
        std::array<char, 19> digits{};
        std::size_t count = 0, end = 0, good = 0;
        char between = '\0';
        for (std::size_t i = at_; i < text_.size(); ++i) {
            const char c = text_[i];
            if (is_digit(c)) {
                if (count == digits.size()) break;
                digits[count++] = c;
                // Other numbers may follow: each group may have been the last one.
                const char next = i + 1 < text_.size() ? text_[i + 1] : '\0';
                if (count >= 13 && !is_digit(next) && !is_letter(next) && next != '_' &&
                    begins_like_a_card({digits.data(), count}) &&
                    passes_luhn({digits.data(), count})) {
                    good = count;
                    end = i + 1;
                }
                continue;
            }
            if ((c != ' ' && c != '-') || (between != '\0' && c != between) || count < 4) break;
            between = c;
        }
        if (good == 0) return false;
        const std::string_view number{digits.data(), good};
        const char after = end < text_.size() ? text_[end] : '\0';
        out_ += k_hidden;
        out_ += number.substr(good - 4);
        at_ = end;
        // On the magnetic track of a card, name and date follow.
        if (after == '^' || after == '=')
            hide_to(run_from(end, [](char c) { return c != '?' && c != '\n' && c != '"'; }));
        return true;
    }

    /// A word with whatever is assigned to it: token=…, "token": "…", Authorization: Bearer ….
    void word() {
        std::size_t end = run_from(at_, [](char c) { return is_word(c) && c != '='; });
        const std::string_view run = text_.substr(at_, end - at_);
        if (run.size() >= 20 && run.starts_with("eyJ") && end < text_.size() && text_[end] == '.')
            return hide_to(run_from(end, [](char c) { return is_word(c) || c == '.'; }));
        if (run.size() > k_longest_base64 && looks_like_base64(run))
            return hide_to(run_from(end, [](char c) { return c == '='; }));
        keep_to(end);
        const std::size_t cut = run.find_last_of("/+");
        const std::string_view name = cut == std::string_view::npos ? run : run.substr(cut + 1);
        if (!name.empty() && name.size() <= k_longest_name) assigned(name);
    }

    void assigned(std::string_view name) {
        std::size_t i = at_;
        if ((name == "Bearer" || name == "Basic") && i < text_.size() && text_[i] == ' ') {
            const std::size_t end = run_from(i + 1, [](char c) { return is_word(c) || c == '.'; });
            if (end - i > 8) {
                keep_to(i + 1);
                hide_to(end);
            }
            return;
        }
        // The name may be quoted, also within a text that is itself quoted: \"token\": \"…\".
        bool quoted = false;
        if (const Quote end = quote_at(i); end.mark != '\0') {
            quoted = true;
            i = end.begin;
        }
        i = run_from(i, is_blank);
        if (i == text_.size() || (text_[i] != '=' && text_[i] != ':')) return;
        const bool colon = text_[i] == ':';
        const NameMeans means = meaning_of(name);
        if (means == NameMeans::nothing) return;
        const std::size_t value = run_from(i + 1, is_blank);
        if (value == text_.size() || text_[value] == '\n') return;
        if (means == NameMeans::contents) {
            // In prose these words are harmless.
            if (!quoted && colon) return;
            keep_to(value);
            const std::size_t end = end_of_json(value);
            hide_to(end, "(" + std::to_string(end - value) + " bytes left out)");
            return;
        }
        const Quote quote = quote_at(value);
        const std::size_t begin = quote.begin;
        if (text_.substr(begin, 2) == "//") return;  // "token://…" is no assignment
        if (colon && !quoted && quote.mark == '\0' && !every_name_ && is_prose(name, begin)) return;
        keep_to(begin);
        const bool whole_line =
            quote.mark == '\0' && (name.ends_with("uthorization") || name.ends_with("ookie"));
        const std::size_t end =
            whole_line ? run_from(begin, [](char c) { return c != '\n' && c != '"' && c != '\\'; })
                       : end_of_value(begin, quote);
        if (end > begin) hide_to(end);
    }

    /// "cannot read the key: no such file" and "Pair by token: In …" hide nothing: what follows is an ordinary word.
    bool is_prose(std::string_view name, std::size_t value) const {
        const bool weak = name == "key" || name == "pin" || name == "pass" || name == "contract" ||
                          name == "Key" || name == "token" || name == "Token";
        const std::size_t end = end_of_value(value, {});
        const std::string_view word = text_.substr(value, end - value);
        return weak && word.size() <= k_longest_word &&
               std::none_of(word.begin(), word.end(), is_digit);
    }

    /// A text that begins with " or with \" (within a text that is itself quoted).
    struct Quote {
        std::size_t begin = 0;  ///< of what is inside
        char mark = '\0';       ///< none
        bool escaped = false;
    };
    Quote quote_at(std::size_t at) const {
        std::size_t mark = at;
        while (mark < text_.size() && mark < at + k_deepest_quote && text_[mark] == '\\') ++mark;
        if (mark == text_.size() || (text_[mark] != '"' && text_[mark] != '\'')) return {at};
        return {mark + 1, text_[mark], mark > at};
    }
    /// The place of what closes it: of the mark, or of the backslash before it.
    std::size_t end_of(const Quote& quote) const {
        for (std::size_t i = quote.begin; i < text_.size(); ++i) {
            if (text_[i] == quote.mark) return i;
            if (text_[i] != '\\') continue;
            if (quote.escaped && i + 1 < text_.size() && text_[i + 1] == quote.mark) return i;
            ++i;
        }
        return text_.size();
    }

    std::size_t end_of_value(std::size_t begin, const Quote& quote) const {
        if (quote.mark != '\0') return end_of(quote);
        return run_from(begin, [](char c) {
            return static_cast<unsigned char>(c) > ' ' && c != '&' && c != ',' && c != ';' &&
                   c != ')' && c != '}' && c != ']' && c != '"' && c != '\'';
        });
    }

    /// Of a text, an array or an object of JSON, or up to the next comma.
    std::size_t end_of_json(std::size_t begin) const {
        std::size_t depth = 0;
        for (std::size_t i = begin; i < text_.size(); ++i) {
            if (const Quote quote = quote_at(i); quote.mark != '\0') {
                i = end_of(quote);
                if (quote.escaped) ++i;
                if (depth == 0) return std::min(i + 1, text_.size());
                continue;
            }
            const char c = text_[i];
            if (c == '{' || c == '[') {
                ++depth;
            } else if (c == '}' || c == ']') {
                if (depth == 0) return i;
                if (--depth == 0) return i + 1;
            } else if (depth == 0 && (c == ',' || c == '&' || c == ' ' || c == '\n')) {
                return i;
            }
        }
        return text_.size();
    }

    std::string_view text_;
    bool every_name_;  ///< of a file whose names are keys: "key: abc" is no prose
    std::size_t at_ = 0;
    bool after_url_ = false;
    std::string out_;
};

std::size_t indentation(std::string_view line) {
    return std::min(line.find_first_not_of(" \t"), line.size());
}

/// Up to a comment; "#" counts after a blank only, as in YAML.
std::string_view without_comment(std::string_view line) {
    for (std::size_t i = 0; i < line.size(); ++i)
        if (line[i] == '#' && (i == 0 || is_blank(line[i - 1]))) return line.substr(0, i);
    return line;
}

/// The key of "key: value", "- key:", "'key' :"; empty when the line has none.
std::string_view key_of(std::string_view line, std::size_t& indent, std::size_t& value) {
    std::size_t i = indentation(line);
    while (i + 1 < line.size() && (line[i] == '-' || line[i] == '?') && is_blank(line[i + 1]))
        i = i + 1 + indentation(line.substr(i + 1));
    indent = i;
    if (i < line.size() && (line[i] == '"' || line[i] == '\'')) ++i;
    std::size_t end = i;
    while (end < line.size() && is_name(line[end])) ++end;
    std::size_t colon = end;
    if (colon < line.size() && (line[colon] == '"' || line[colon] == '\'')) ++colon;
    while (colon < line.size() && is_blank(line[colon])) ++colon;
    if (colon == line.size() || line[colon] != ':') return {};
    value = colon + 1;
    return line.substr(i, end - i);
}

}  // namespace

std::string redacted_value(std::string_view name, std::string_view value) {
    switch (meaning_of(name)) {
        case NameMeans::secret:
            return std::string{k_hidden};
        case NameMeans::contents:
            if (value.empty()) return {};
            return "(" + std::to_string(value.size()) + " bytes left out)";
        case NameMeans::nothing:
            break;
    }
    return redacted(value);
}

std::string redacted(std::string_view text) {
    return Walk{text, false}.result();
}

boost::json::value redacted(const boost::json::value& value, int deepest) {
    namespace json = boost::json;
    if (deepest <= 0) return "(too deep)";
    if (value.is_string()) return json::value(redacted(std::string_view{value.get_string()}));
    if (value.is_array()) {
        json::array out;
        for (const json::value& each : value.get_array())
            out.push_back(redacted(each, deepest - 1));
        return out;
    }
    if (!value.is_object()) {
        if (value.is_int64() || value.is_uint64()) {
            // Card numbers come as numbers, too.
            const std::string digits = json::serialize(value);
            if (digits.size() >= 13)
                if (std::string shown = redacted(std::string_view{digits}); shown != digits)
                    return json::value(shown);
        }
        return value;
    }
    json::object out;
    for (const auto& [key, member] : value.get_object()) {
        // A record of the log: the value of a field as the name says.
        switch (meaning_of(key)) {
            case NameMeans::secret:
                if (member.is_null() || member.is_bool()) {
                    out[key] = member;
                } else if (!(member.is_string() && member.get_string().empty())) {
                    out[key] = k_hidden;
                } else {
                    out[key] = "";
                }
                break;
            case NameMeans::contents:
                if (member.is_null() || member.is_bool()) {
                    out[key] = member;
                } else {
                    out[key] =
                        "(" + std::to_string(json::serialize(member).size()) + " bytes left out)";
                }
                break;
            case NameMeans::nothing:
                out[key] = redacted(member, deepest - 1);
                break;
        }
    }
    return out;
}

std::string redacted_yaml(std::string_view text) {
    std::string out;
    bool hiding = false;
    std::size_t hidden_indent = 0;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        line = without_comment(line);
        const std::size_t blank = line.find_last_not_of(" \t\r");
        line = line.substr(0, blank == std::string_view::npos ? 0 : blank + 1);
        if (line.empty()) continue;
        // What is further to the right belongs to the hidden key, and so does a list at its own column.
        const std::size_t left = indentation(line);
        if (hiding && (left > hidden_indent || (left == hidden_indent && line[left] == '-')))
            continue;
        hiding = false;
        std::size_t indent = 0, value = 0;
        const std::string_view key = key_of(line, indent, value);
        if (!key.empty() && meaning_of(key) == NameMeans::secret) {
            hiding = true;
            hidden_indent = indent;
            out += line.substr(0, value);
            out += " ";
            out += k_hidden;
        } else if (line[left] == ':' || line[left] == '?') {
            out += "(left out)";
        } else {
            out += Walk{line, true}.result();
        }
        out += '\n';
    }
    return out;
}

}  // namespace backplane::core
