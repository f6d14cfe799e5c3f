import Foundation

/// A value of a JSON document; a number has `whole` where it is written without fraction and exponent.
public enum JsonValue: Equatable, Sendable {
    case object([String: JsonValue])
    case list([JsonValue])
    case text(String)
    case number(Double, whole: Int?)
    case flag(Bool)
    case null
}

/// Parses a JSON document, strictly.
///
/// Refused are more than `maxBytes`, bytes that are not UTF-8, a key given twice, numbers that are
/// not finite, halves of surrogate pairs, and nesting over 32 levels.
public func parseJson(_ data: Data, _ document: String, maxBytes: Int) throws -> JsonValue {
    if data.count > maxBytes {
        throw GhostlensError.manifest("\(document) has \(data.count) bytes: allowed are \(maxBytes)")
    }
    guard String(data: data, encoding: .utf8) != nil else {
        throw GhostlensError.manifest("\(document) is not UTF-8")
    }
    var parser = JsonParser(bytes: Array(data), document: document)
    return try parser.parse()
}

private struct JsonParser {
    let bytes: [UInt8]
    let document: String
    var at = 0

    init(bytes: [UInt8], document: String) {
        self.bytes = bytes
        self.document = document
    }

    mutating func parse() throws -> JsonValue {
        let value = try readValue(0)
        skipSpace()
        if at != bytes.count { throw fail("something follows its end") }
        return value
    }

    private mutating func readValue(_ depth: Int) throws -> JsonValue {
        if depth > Constants.maxJsonDepth {
            throw fail("it is nested deeper than \(Constants.maxJsonDepth) levels")
        }
        skipSpace()
        switch peek() {
        case UInt8(ascii: "{"): return try readObject(depth)
        case UInt8(ascii: "["): return try readList(depth)
        case UInt8(ascii: "\""): return .text(try readText())
        case UInt8(ascii: "t"): return try readWord("true", .flag(true))
        case UInt8(ascii: "f"): return try readWord("false", .flag(false))
        case UInt8(ascii: "n"): return try readWord("null", .null)
        default: return try readNumber()
        }
    }

    private mutating func readObject(_ depth: Int) throws -> JsonValue {
        var members: [String: JsonValue] = [:]
        at += 1
        skipSpace()
        if takes("}") { return .object(members) }
        repeat {
            skipSpace()
            let key = try readText()
            skipSpace()
            try expect(":")
            let value = try readValue(depth + 1)
            if members.updateValue(value, forKey: key) != nil {
                throw fail("the key \(key) is given twice")
            }
            skipSpace()
        } while takes(",")
        try expect("}")
        return .object(members)
    }

    private mutating func readList(_ depth: Int) throws -> JsonValue {
        var items: [JsonValue] = []
        at += 1
        skipSpace()
        if takes("]") { return .list(items) }
        repeat {
            items.append(try readValue(depth + 1))
            skipSpace()
        } while takes(",")
        try expect("]")
        return .list(items)
    }

    private mutating func readText() throws -> String {
        var out: [UInt8] = []
        try expect("\"")
        while !takes("\"") {
            guard let byte = peek() else { throw fail("a text has no end") }
            if byte < 0x20 { throw fail("a text holds a control character") }
            at += 1
            if byte == UInt8(ascii: "\\") {
                out.append(contentsOf: Array(String(Character(try readEscape())).utf8))
            } else {
                out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private mutating func readEscape() throws -> Unicode.Scalar {
        guard let kind = peek() else { throw fail("a text has no end") }
        at += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try readScalar()
        default: throw fail("an escape is not known")
        }
    }

    private mutating func readScalar() throws -> Unicode.Scalar {
        let first = try readUnit()
        var value = first
        if (0xD800..<0xDC00).contains(first), takes("\\"), takes("u") {
            let second = try readUnit()
            if (0xDC00..<0xE000).contains(second) {
                value = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
        }
        guard let scalar = Unicode.Scalar(value) else {
            throw fail("a text holds half of a surrogate pair")
        }
        return scalar
    }

    private mutating func readUnit() throws -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw fail("\\u needs four hexadecimal digits")
            }
            value = value * 16 + UInt32(digit)
            at += 1
        }
        return value
    }

    private mutating func readNumber() throws -> JsonValue {
        let start = at
        while let byte = peek(), "+-.0123456789eE".utf8.contains(byte) { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        if Patterns.number.match(text) == nil { throw fail("character \(start) begins no value") }
        guard let value = Double(text), value.isFinite else { throw fail("a number is too large") }
        let isWhole = !text.contains { $0 == "." || $0 == "e" || $0 == "E" }
        return .number(value, whole: isWhole ? Int(text) : nil)
    }

    private mutating func readWord(_ word: String, _ value: JsonValue) throws -> JsonValue {
        for byte in word.utf8 {
            if peek() != byte { throw fail("character \(at) begins no value") }
            at += 1
        }
        return value
    }

    private mutating func skipSpace() {
        while let byte = peek(), " \t\r\n".utf8.contains(byte) { at += 1 }
    }

    private func peek() -> UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func takes(_ character: Unicode.Scalar) -> Bool {
        if peek() != UInt8(ascii: character) { return false }
        at += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws {
        if !takes(character) { throw fail("\(character) is missing at character \(at)") }
    }

    private func fail(_ why: String) -> GhostlensError {
        .manifest("\(document) is not JSON: \(why)")
    }
}
