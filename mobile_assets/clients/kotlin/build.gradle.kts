plugins {
    kotlin("jvm") version "2.3.10"
    `java-library`
}

repositories { mavenCentral() }

kotlin { jvmToolchain(17) }

// The shared test vectors, without a test framework: `gradle vectors`.
tasks.register<JavaExec>("vectors") {
    classpath = sourceSets["test"].runtimeClasspath
    mainClass = "ghostlens.VectorsKt"
    args(file("../vectors.json").path)
}

tasks.named("check") { dependsOn("vectors") }
