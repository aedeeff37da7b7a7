package report

import "time"

// KindCertificate tells of the device's certificate.
const KindCertificate = "certificate" // event: Certificate

// States of Certificate.
const (
	CertificateRenewed = "renewed"
	CertificateRefused = "refused" // by the centre; Reason is one of RefusedToken and so on
	CertificateFailing = "failing" // the centre can't be asked; it is tried again
)

// Certificate is what became of the device's certificate, told once per change.
type Certificate struct {
	State    string     `json:"state"`
	Serial   string     `json:"serial,omitempty"` // hex
	NotAfter *time.Time `json:"not_after,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Detail   string     `json:"detail,omitempty"` // English
}
