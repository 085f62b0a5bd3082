// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "websocket/notification.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <charconv>
#include <optional>

#include "browser/json_rpc.hpp"

namespace backplane::sync {

namespace json = boost::json;

namespace {

constexpr std::size_t k_type_bytes = 64;

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

/// One entry of a list, and how many values it has at least.
struct Entry {
    std::string_view text;
    std::size_t values = 0;
    bool last = false;
};

/// Walks over the entries of a list, or the members of an object, without reading them: only
/// brackets, commas and texts count.
class EntryWalk {
public:
    /// `inside`: what follows the opening bracket.
    explicit EntryWalk(std::string_view inside, char closing = ']')
        : rest_(inside), closing_(closing) {}

    /// Nothing when it does not end as it should.
    std::optional<Entry> next() {
        std::size_t depth = 0, values = 1;
        bool in_text = false;
        for (std::size_t i = 0; i < rest_.size(); ++i) {
            const char c = rest_[i];
            if (in_text) {
                if (c == '\\') ++i;
                if (c == '"') in_text = false;
                continue;
            }
            switch (c) {
                case '"':
                    in_text = true;
                    break;
                case '[':
                case '{':
                    ++depth;
                    ++values;
                    break;
                case '}':
                case ']':
                    if (depth == 0) return c == closing_ ? ended(i, values, true) : std::nullopt;
                    --depth;
                    break;
                case ',':
                    if (depth == 0) return ended(i, values, false);
                    ++values;
                    break;
                default:
                    break;
            }
        }
        return std::nullopt;
    }
    std::string_view behind() const noexcept { return rest_; }

private:
    std::optional<Entry> ended(std::size_t at, std::size_t values, bool last) {
        const Entry entry{trimmed(rest_.substr(0, at)), values, last};
        rest_.remove_prefix(at + 1);
        return entry;
    }
    std::string_view rest_;
    char closing_;
};

/// The value of a member as it stands in the text of an object. The name must be written plainly.
std::optional<std::string_view> member_text(std::string_view object, std::string_view name) {
    object = trimmed(object);
    if (!object.starts_with('{')) return std::nullopt;
    EntryWalk walk(object.substr(1), '}');
    while (const auto entry = walk.next()) {
        std::string_view text = entry->text;
        const std::size_t length = name.size() + 2;
        if (text.size() > length && text.front() == '"' && text[length - 1] == '"' &&
            text.substr(1, name.size()) == name) {
            text = trimmed(text.substr(length));
            if (text.starts_with(':')) return trimmed(text.substr(1));
        }
        if (entry->last) break;
    }
    return std::nullopt;
}

std::int64_t positive_integer(const json::value& value) noexcept {
    if (const auto* number = value.if_int64()) return std::max<std::int64_t>(*number, 0);
    return 0;  // also beyond 63 bits: no database counts so far
}

std::optional<Notification> notification_in(std::string_view text) {
    auto parsed = parse_json(text);
    if (!parsed || !parsed->is_object()) return std::nullopt;
    json::object& entry = parsed->get_object();
    Notification out;
    if (const auto* id = entry.if_contains("id")) out.id = positive_integer(*id);
    if (out.id == 0) return std::nullopt;
    // An entry with an id but without a sense is kept: with it the box knows how far it has read.
    const auto* message = entry.if_contains("message");
    if (message == nullptr || !message->is_object()) return out;
    json::object& content = entry["message"].get_object();
    if (const auto* type = content.if_contains("type"); type != nullptr && type->is_string()) {
        const auto& name = type->get_string();
        if (name.size() <= k_type_bytes) out.type.assign(name.data(), name.size());
    }
    if (auto* payload = content.if_contains("payload")) out.payload = std::move(*payload);
    return out;
}

/// Databases hold identifiers as text; an entry of digits alone may have become a number on its way.
bool is_same(const json::value& value, std::string_view identifier) {
    if (const auto* text = value.if_string())
        return std::string_view(text->data(), text->size()) == identifier;
    if (const auto* number = value.if_int64()) return std::to_string(*number) == identifier;
    if (const auto* number = value.if_uint64()) return std::to_string(*number) == identifier;
    return false;
}

bool names(const json::value& value, std::string_view identifier) {
    if (const auto* list = value.if_array())
        return std::any_of(list->begin(), list->end(),
                           [&](const auto& one) { return is_same(one, identifier); });
    return is_same(value, identifier);
}

}  // namespace

core::Result<ParsedFrame> parse_notifications(std::string_view text) {
    const auto no_list = [](const char* why) {
        return core::failure("bus.not_a_list",
                             std::string("what came over the bus of the Odoo server is not a list "
                                         "of notifications (") +
                                 why +
                                 "): look whether a proxy in front of it changes what it says");
    };
    text = trimmed(text);
    if (!text.starts_with('[')) return no_list("it does not begin as a list");
    ParsedFrame out;
    EntryWalk walk(text.substr(1));
    std::size_t values = 0;
    for (std::size_t count = 0;; ++count) {
        const auto entry = walk.next();
        if (!entry) return no_list("it breaks off or is not closed in order");
        const bool is_empty_list = count == 0 && entry->last && entry->text.empty();
        if (!is_empty_list && !out.cut) {
            if (entry->values > k_json_values) {
                ++out.odd;
            } else if (out.notifications.size() == k_frame_notifications ||
                       values + entry->values > k_frame_values) {
                out.cut = true;
            } else if (auto one = notification_in(entry->text)) {
                values += entry->values;
                out.notifications.push_back(std::move(*one));
            } else {
                ++out.odd;
            }
        }
        if (entry->last) break;
    }
    if (!trimmed(walk.behind()).empty()) return no_list("something follows its end");
    return out;
}

core::Result<std::string_view> notifications_in_answer(std::string_view answer) {
    if (const auto result = member_text(answer, "result")) {
        if (const auto list = member_text(*result, "notifications")) return *list;
    } else if (const auto refusal = member_text(answer, "error")) {
        if (refusal->find("SessionExpired") != std::string_view::npos)
            return core::failure("bus.session",
                                 "the session of the box with the Odoo server has expired: the "
                                 "box gets another by itself");
        return core::failure("bus.refused",
                             "the Odoo server answered the question for notifications with an "
                             "error: look into its log");
    }
    return core::failure("bus.not_an_answer",
                         "the Odoo server answered the question for notifications with something "
                         "else: look whether a proxy in front of it changes what it says");
}

bool is_for_box(const Notification& notification, std::string_view identifier) {
    if (identifier.empty()) return false;
    const bool is_broadcast = notification.type == "bundle_changed";
    const auto* payload = notification.payload.if_object();
    if (payload == nullptr) return is_broadcast;
    bool names_somebody = false;
    for (const char* member : {"iot_identifiers", "iot_identifier"}) {
        const auto* value = payload->if_contains(member);
        if (value == nullptr || value->is_null()) continue;
        if (names(*value, identifier)) return true;
        names_somebody = true;
    }
    return is_broadcast && !names_somebody;
}

}  // namespace backplane::sync
