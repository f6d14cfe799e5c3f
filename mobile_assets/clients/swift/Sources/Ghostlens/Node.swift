import Foundation

/// The form of a text: a regular expression for the whole of it, and how many characters.
struct TextPattern: @unchecked Sendable {
    let maxChars: Int
    let allowed: String
    private let expression: NSRegularExpression?

    init(pattern: String, maxChars: Int, allowed: String) {
        self.maxChars = maxChars
        self.allowed = allowed
        expression = try? NSRegularExpression(pattern: "\\A(?:\(pattern))\\z")
    }

    /// Returns the groups, of which the first is the whole text; nil where it does not fit.
    func match(_ text: String) -> [String?]? {
        let units = NSString(string: text)
        guard units.length <= maxChars,
            let found = expression?.firstMatch(
                in: text, options: [], range: NSRange(location: 0, length: units.length))
        else { return nil }
        return (0..<found.numberOfRanges).map { index in
            let range = found.range(at: index)
            return range.location == NSNotFound ? nil : units.substring(with: range)
        }
    }
}

extension Patterns {
    static let number = TextPattern(
        pattern: "-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", maxChars: 4000,
        allowed: "numbers")
}

/// A value of a document, with the path that leads to it. Every error names that path.
struct Node {
    let value: JsonValue
    let path: String
    let document: String

    var isNull: Bool { value == .null }

    func fail(_ why: String) -> GhostlensError {
        .manifest("\(document): \(path.isEmpty ? "the document" : path): \(why)")
    }

    /// Returns the members of an object that has exactly these keys.
    func table(_ required: [String], _ optional: [String] = []) throws -> [String: Node] {
        let members = try entries(Int.max)
        for key in required where members[key] == nil {
            throw below(key, .null).fail("it is missing")
        }
        let known = required + optional
        for key in members.keys.sorted() where !known.contains(key) {
            throw below(key, .null).fail(
                "it is not known: allowed are \(known.joined(separator: ", "))")
        }
        return members
    }

    /// Returns the members of an object, whose keys are among `allowed` if it is given.
    func entries(_ most: Int, _ allowed: [String]? = nil) throws -> [String: Node] {
        guard case .object(let members) = value else { throw fail("it must be an object") }
        if members.count > most {
            throw fail("it has \(members.count) entries: allowed are \(most)")
        }
        var found: [String: Node] = [:]
        for (key, member) in members {
            let node = below(key, member)
            if let allowed = allowed, !allowed.contains(key) {
                throw node.fail("allowed are \(allowed.joined(separator: ", "))")
            }
            found[key] = node
        }
        return found
    }

    func items(_ least: Int, _ most: Int) throws -> [Node] {
        guard case .list(let items) = value, (least...most).contains(items.count) else {
            throw fail("it must be a list of \(least) to \(most) items")
        }
        return items.enumerated().map { index, item in
            Node(value: item, path: "\(path)[\(index)]", document: document)
        }
    }

    func text(_ mostChars: Int) throws -> String {
        guard case .text(let text) = value, !text.isEmpty, text.unicodeScalars.count <= mostChars
        else { throw fail("it must be a text of 1 to \(mostChars) characters") }
        return text
    }

    func matching(_ pattern: TextPattern) throws -> String {
        guard case .text(let text) = value, pattern.match(text) != nil else {
            throw fail("allowed are \(pattern.allowed)")
        }
        return text
    }

    func oneOf(_ allowed: [String]) throws -> String {
        guard case .text(let text) = value, allowed.contains(text) else {
            throw fail("allowed are \(allowed.joined(separator: ", "))")
        }
        return text
    }

    func whole(_ least: Int, _ most: Int) throws -> Int {
        guard case .number(_, let whole) = value, let found = whole, found >= least, found <= most
        else { throw fail("it must be a whole number from \(least) to \(most)") }
        return found
    }

    func int(_ least: Int, _ most: Int) throws -> Int { try whole(least, most) }

    func number(_ least: Double, _ most: Double) throws -> Double {
        guard case .number(let found, _) = value, found >= least, found <= most else {
            throw fail("it must be a number from \(least) to \(most)")
        }
        return found
    }

    func flag() throws -> Bool {
        guard case .flag(let flag) = value else { throw fail("it must be true or false") }
        return flag
    }

    func orNil<T>(_ read: (Node) throws -> T) throws -> T? { isNull ? nil : try read(self) }

    private func below(_ key: String, _ member: JsonValue) -> Node {
        Node(value: member, path: path.isEmpty ? key : "\(path).\(key)", document: document)
    }
}

/// Checks that a document names a schema that this code reads, the newest last; a newer number is
/// told apart.
func checkSchema(_ root: Node, _ schemas: String...) throws {
    let schema = schemas.last ?? ""
    guard let node = try root.entries(Int.max)["schema"] else {
        throw root.fail("schema is missing: allowed is \(schema)")
    }
    guard case .text(let found) = node.value else { throw node.fail("allowed is \(schema)") }
    if schemas.contains(found) { return }
    if let given = Patterns.schema.match(found), let ours = Patterns.schema.match(schema),
        given[1] == ours[1], let number = Int(given[2] ?? ""), number > Int(ours[2] ?? "") ?? 0
    {
        throw node.fail("\(found) is newer than \(schema), which this app reads; update the app")
    }
    throw node.fail("allowed is \(schemas.joined(separator: " or "))")
}

/// Reads a time, and checks that there is such a day and hour.
func readTime(_ node: Node) throws -> String {
    let text = try node.matching(Patterns.time)
    let numbers = (Patterns.time.match(text) ?? []).dropFirst().map { Int($0 ?? "") ?? 0 }
    let (year, month, day) = (numbers[0], numbers[1], numbers[2])
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard year >= 1, (1...12).contains(month), day >= 1, day <= days[month - 1],
        numbers[3] < 24, numbers[4] < 60, numbers[5] < 60
    else { throw node.fail("there is no such day or time") }
    return text
}
