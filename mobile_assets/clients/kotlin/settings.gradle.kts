rootProject.name = "ghostlens"
