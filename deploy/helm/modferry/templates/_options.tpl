{{/*
Options and files of the programs. What an option names is mounted by "modferry.files", at the same path: whole directories,
for a file that is mounted by itself is never replaced.
*/}}

{{- define "modferry.trustArgs" -}}
{{- range $name, $_ := .Values.trust.publicKeys }}
- {{ printf "--key=/etc/modferry/keys/%s" $name | toJson }}
{{- end }}
{{- with .Values.trust.keysFrom }}
{{- if or .configMap .secret }}
{{- range .files }}
- {{ printf "--key=/etc/modferry/keys/%s" . | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{- include "modferry.policyArg" . }}
{{- end -}}

{{- define "modferry.policyArg" -}}
{{- with .Values.trust.policy }}
{{- if or .configMap .secret }}
- {{ printf "--policy=/etc/modferry/policy/%s" .file | toJson }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "modferry.registryArgs" -}}
{{- if or .Values.registry.ca.configMap .Values.registry.ca.secret }}
- --ca-file=/etc/modferry/registry-ca/ca.crt
{{- end }}
{{- if .Values.registry.clientCertificateSecret }}
- --client-cert=/etc/modferry/registry-client/tls.crt
- --client-key=/etc/modferry/registry-client/tls.key
{{- end }}
{{- end -}}

{{- define "modferry.privateArg" -}}
{{- with .Values.private }}
- {{ printf "--private=%s" (join "," .) | toJson }}
{{- end }}
{{- end -}}

{{- define "modferry.sumdbArg" -}}
{{- with .Values.sumdb }}
- {{ printf "--sumdb=%s" . | toJson }}
{{- end }}
{{- end -}}

{{- define "modferry.shimArgs" -}}
- serve
- {{ printf "--registry=%s" .Values.store | toJson }}
{{- include "modferry.registryArgs" . }}
{{- include "modferry.trustArgs" . }}
{{- include "modferry.privateArg" . }}
{{- include "modferry.sumdbArg" . }}
{{- with .Values.shim }}
- --listen=:{{ include "modferry.port" $ }}
{{- if include "modferry.tlsSecret" $ }}
- --tls-cert=/etc/modferry/tls/tls.crt
- --tls-key=/etc/modferry/tls/tls.key
{{- else }}
- --allow-remote
{{- end }}
{{- if or .tls.clientCA.configMap .tls.clientCA.secret }}
- --client-ca=/etc/modferry/client-ca/ca.crt
{{- end }}
{{- if .access.secretName }}
- --access=/etc/modferry/access/access
{{- end }}
{{- range .allowHosts }}
- {{ printf "--allow-host=%s" . | toJson }}
{{- end }}
{{- if .allowHosts }}
- --allow-host=$(POD_IP)
{{- end }}
- --cache=/var/cache/modferry
- --cache-max={{ div (mul (include "modferry.mebibytes" .cache.size | int64) 4) 5 }}MiB
- --recheck={{ .recheck }}
{{- if .clientDownloads }}
- --client-downloads={{ .clientDownloads }}
{{- end }}
- --shutdown-delay={{ .shutdown.delaySeconds }}s
- --shutdown-timeout={{ .shutdown.timeoutSeconds }}s
- --log-format={{ .logFormat }}
{{- if .auditLog }}
- --audit-log=-
{{- end }}
{{- range .extraArgs }}
- {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "modferry.mirrorArgs" -}}
- mirror
- {{ printf "--registry=%s" .Values.store | toJson }}
{{- include "modferry.registryArgs" . }}
- {{ printf "--sign-key=/etc/modferry/signing/%s" .Values.mirror.signingKey.key | toJson }}
{{- include "modferry.policyArg" . }}
{{- include "modferry.privateArg" . }}
{{- with .Values.mirror.upstream }}
- {{ printf "--upstream=%s" . | toJson }}
{{- end }}
{{- range .Values.mirror.extraArgs }}
- {{ toJson . }}
{{- end }}
{{- range .Values.mirror.sources }}
- {{ toJson . }}
{{- end }}
{{- end -}}

{{- define "modferry.syncArgs" -}}
- sync
{{- include "modferry.registryArgs" . }}
{{- include "modferry.trustArgs" . }}
{{- include "modferry.privateArg" . }}
{{- include "modferry.sumdbArg" . }}
{{- with .Values.sync }}
{{- with .rate }}
- {{ printf "--rate=%s" . | toJson }}
{{- end }}
{{- if .signatures }}
- --signatures
{{- end }}
{{- range .extraArgs }}
- {{ toJson . }}
{{- end }}
- {{ toJson .source }}
- {{ toJson .destination }}
{{- range .patterns }}
- {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The files of a component, as a list of {name, mountPath, volume}. Its pod has a volume and a mount for each.
*/}}
{{- define "modferry.files" -}}
{{- $root := .root }}
{{- with .root.Values.registry }}
{{- if .credentialsSecret }}
- name: registry-credentials
  mountPath: /etc/modferry/registry
  volume: {{- include "modferry.fileVolume" (dict "secret" .credentialsSecret "items" (dict ".dockerconfigjson" "config.json")) | nindent 4 }}
{{- end }}
{{- if or .ca.configMap .ca.secret }}
- name: registry-ca
  mountPath: /etc/modferry/registry-ca
  volume: {{- include "modferry.fileVolume" (merge (dict "items" (dict .ca.key "ca.crt")) .ca) | nindent 4 }}
{{- end }}
{{- if .clientCertificateSecret }}
- name: registry-client
  mountPath: /etc/modferry/registry-client
  volume: {{- include "modferry.fileVolume" (dict "secret" .clientCertificateSecret) | nindent 4 }}
{{- end }}
{{- end }}
{{- with .root.Values.trust }}
{{- if and .publicKeys (ne $.component "mirror") }}
- name: keys
  mountPath: /etc/modferry/keys
  volume: {{- include "modferry.fileVolume" (dict "configMap" (printf "%s-keys" (include "modferry.fullname" $root))) | nindent 4 }}
{{- else if and (or .keysFrom.configMap .keysFrom.secret) (ne $.component "mirror") }}
- name: keys
  mountPath: /etc/modferry/keys
  volume: {{- include "modferry.fileVolume" .keysFrom | nindent 4 }}
{{- else if or .policy.configMap .policy.secret }}
- name: policy
  mountPath: /etc/modferry/policy
  volume: {{- include "modferry.fileVolume" .policy | nindent 4 }}
{{- end }}
{{- end }}
{{- if eq .component "shim" }}
{{- with .root.Values.shim }}
{{- with include "modferry.tlsSecret" $root }}
- name: tls
  mountPath: /etc/modferry/tls
  volume: {{- include "modferry.fileVolume" (dict "secret" .) | nindent 4 }}
{{- end }}
{{- with .tls.clientCA }}
{{- if or .configMap .secret }}
- name: client-ca
  mountPath: /etc/modferry/client-ca
  volume: {{- include "modferry.fileVolume" (merge (dict "items" (dict .key "ca.crt")) .) | nindent 4 }}
{{- end }}
{{- end }}
{{- if .access.secretName }}
- name: access
  mountPath: /etc/modferry/access
  volume: {{- include "modferry.fileVolume" (dict "secret" .access.secretName "items" (dict .access.key "access")) | nindent 4 }}
{{- end }}
{{- end }}
{{- else if eq .component "mirror" }}
- name: signing
  mountPath: /etc/modferry/signing
  volume: {{- include "modferry.fileVolume" (dict "secret" .root.Values.mirror.signingKey.secretName "items" (dict .root.Values.mirror.signingKey.key .root.Values.mirror.signingKey.key)) | nindent 4 }}
{{- end }}
{{- end -}}
