{{/* Names and labels. A component is shim, mirror or sync. */}}

{{- define "modferry.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- (contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name)) | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "modferry.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "modferry.labels" -}}
{{ include "modferry.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The image of a component: what it has itself, and the chart's where it has none. */}}
{{- define "modferry.image" -}}
{{- $image := (empty (dig "image" "repository" "" .values) | ternary .root.Values .values).image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* A quantity of Mi, Gi or Ti, in mebibytes. */}}
{{- define "modferry.mebibytes" -}}
{{- $n := regexFind "^[0-9]+" . | int64 -}}
{{- if hasSuffix "Gi" . -}}{{ mul $n 1024 }}
{{- else if hasSuffix "Ti" . -}}{{ mul $n 1048576 }}
{{- else -}}{{ $n }}{{- end -}}
{{- end -}}

{{- define "modferry.tlsSecret" -}}
{{- with .Values.shim.tls -}}
{{- if .secretName -}}{{ .secretName }}
{{- else if .certManager.enabled -}}{{ include "modferry.fullname" $ }}-tls{{- end -}}
{{- end -}}
{{- end -}}

{{- define "modferry.port" -}}
{{- include "modferry.tlsSecret" . | empty | ternary 7070 7443 -}}
{{- end -}}

{{- define "modferry.scheme" -}}
{{- include "modferry.tlsSecret" . | empty | ternary "http" "https" -}}
{{- end -}}

{{/* The ports of registries in a list of stores, each of which may be routes: a list. */}}
{{- define "modferry.storePorts" -}}
{{- $ports := list -}}
{{- range . -}}
{{- range splitList "," . -}}
{{- $store := splitList "=" . | last | trim -}}
{{- if not (or (hasPrefix "oci:" $store) (eq $store "none") (eq $store "")) -}}
{{- $host := regexReplaceAll "^https?://" $store "" | splitList "/" | first -}}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
{{- $ports = append $ports (int (default (hasPrefix "http://" $store | ternary "80" "443") $port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* A volume of a ConfigMap or a Secret, readable by the group of the pod; keys that are named get those file names. */}}
{{- define "modferry.fileVolume" -}}
{{- with get . "secret" }}
secret:
  secretName: {{ . }}
{{- else }}
configMap:
  name: {{ .configMap }}
{{- end }}
  defaultMode: 0440
  {{- with get . "items" }}
  items:
    {{- range $key, $path := . }}
    - key: {{ $key | toJson }}
      path: {{ $path | toJson }}
    {{- end }}
  {{- end }}
{{- end -}}
