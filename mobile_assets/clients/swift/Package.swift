// swift-tools-version:5.9
import PackageDescription

let package = Package(
    name: "Ghostlens",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Ghostlens", targets: ["Ghostlens"])],
    targets: [
        .target(name: "Ghostlens"),
        .executableTarget(name: "GhostlensVectors", dependencies: ["Ghostlens"]),
    ]
)
