"""Enrollment: pictures to templates, previews, approvals."""
