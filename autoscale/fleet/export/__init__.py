"""The report in other formats: JSON, HTML, CodeCarbon, the Impact Framework, OpenTelemetry."""
